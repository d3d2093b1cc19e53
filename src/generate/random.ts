/** Random numbers from a seed (sfc32): the same seed gives the same events on every machine and version. */
export class Random {
  private a: number
  private b: number
  private c: number
  private d = 1

  constructor(seed: number, stream = 0) {
    this.a = seed | 0
    this.b = Math.floor(seed / 2 ** 32) | 0
    this.c = stream | 0
    for (let i = 0; i < 12; i++) this.bits()
  }

  /** 32 random bits, unsigned. */
  bits(): number {
    const t = (((this.a + this.b) | 0) + this.d) | 0
    this.d = (this.d + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = ((this.c << 21) | (this.c >>> 11)) + t
    this.c |= 0
    return t >>> 0
  }

  /** In [0, 1). */
  share(): number {
    return this.bits() / 2 ** 32
  }

  /** A whole number in [0, end); 0 where end is not above it. */
  below(end: number): number {
    return end <= 1 ? 0 : Math.floor(this.share() * end)
  }

  chance(share: number): boolean {
    return this.share() < share
  }
}
