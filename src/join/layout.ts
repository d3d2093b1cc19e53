/**
 * How users, views and engagements lie in the arena. The only file that knows word numbers.
 *
 * Every block: word 0 free for links, word 1 = kind in the low byte, flags above.
 * A view's and an engagement's own record (payload) lies in a block apart, so that it can be given up (a sealed view,
 * a bound engagement, a view spilled to the journal) without moving the rest.
 */
export const USER = 1
export const VIEW_BLOCK = 2
export const ENGAGEMENT_BLOCK = 3

/** Common. */
export const NEXT = 0
export const KIND = 1

/** User: header, then the id's text. */
export const U_HASH = 2
export const U_VIEWS = 3 // newest first: pending, sealed and remembered
export const U_UNDECIDED = 4
export const U_ACTOR = 5 // index into the partition's actors, plus 1
export const U_BATCH = 6 // the batch (number) in which batch words are meant
export const U_FIRST = 7 // first record of the batch, plus 1
export const U_LAST = 8
export const U_DUE = 9 // first due entry of the batch, plus 1
export const U_TOUCHED = 10 // the batch (number) that last changed the user
export const U_LENGTH = 11
export const U_PENDING = 12 // pending views
export const U_BYTES = 13 // bytes of the user's blocks
export const U_STORED = 14 // 1: the journal holds a snapshot of the user
export const U_SHARED = 15 // the shared snapshot (number) that has the user
export const U_HEADER_BYTES = 64

/** View: header, then identity, item. */
export const V_USER = 2
export const V_PREVIOUS = 3
export const V_ID_NEXT = 4
export const V_ITEM_NEXT = 5
export const V_ID_HASH = 6
export const V_ITEM_HASH = 7
export const V_TIME = 4 // f64: words 8, 9
export const V_OFFSET = 5 // f64: words 10, 11
export const V_BOUND = 12 // bound engagements; of a remembered view, the hash of its payload
export const V_LENGTHS = 13 // identity | item << 16
export const V_PAYLOAD = 14 // address; 0 when given up
export const V_PAYLOAD_LENGTH = 15
export const V_SEALED_AT = 8 // f64: words 16, 17; from when remembering counts
/** Word 16 again: of a spilled view, which is pending, the hash of its payload. */
export const V_SPILLED_HASH = 16
export const V_SEGMENT = 18
export const V_WRITER = 19
export const V_HEADER_BYTES = 80

export const F_SEALED = 1 << 8
export const F_LATE = 1 << 9
export const F_SPILLED = 1 << 10
export const F_HAS_VIEW_ID = 1 << 11
export const F_HAS_ENGAGEMENT_ID = 1 << 12
export const F_BOUND = 1 << 13
/** Out of the tables already. */
export const F_HIDDEN = 1 << 14
export const F_GIVEN_UP = 1 << 15
/** Its timer has been taken out in the batch in hand. */
export const F_QUEUED = 1 << 16

/** Engagement: header, then view id, item, engagement id, type. */
export const E_USER = 2
export const E_PREVIOUS = 3 // of a bound engagement: its owner
export const E_CHAIN = 4
export const E_HASH = 5
export const E_TYPE = 6 // index of the type plus 1; 0: no label has it
export const E_SOURCE = 7
export const E_TIME = 4 // f64: words 8, 9
export const E_OFFSET = 5 // f64: words 10, 11
export const E_VALUE = 6 // f64: words 12, 13; NaN: none
export const E_LENGTHS = 14 // view id | item << 16
export const E_LENGTHS_2 = 15 // engagement id | type << 16
export const E_PAYLOAD = 16
export const E_PAYLOAD_LENGTH = 17
export const E_SEGMENT = 18
export const E_WRITER = 19
export const E_HEADER_BYTES = 80

/** The longest id taken: an identity made of two of them, percent-encoded, still fits 16 bits. */
export const MAX_ID_BYTES = 8191
