//! Byte forms: what any engine shares.
//!
//! | file | decides |
//! |---|---|
//! | `codec` | numbers and bytes, written and read |
//! | `block`, `dictionary` | a batch, and what it is compressed with |
//! | `op` | a journalled operation |
//! | `rows` | files of rows that are read without an engine |

pub(super) mod block;
pub(super) mod codec;
pub(super) mod dictionary;
pub(super) mod op;
pub(super) mod rows;
