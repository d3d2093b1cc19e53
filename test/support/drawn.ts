/** The seed of what property tests draw: the same in every run, another by FC_SEED. */
export const DRAWN_SEED = Number(process.env.FC_SEED ?? 20_261_130)
