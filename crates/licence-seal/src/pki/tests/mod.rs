//! Tests of the room as a whole.

mod cases;
mod forge;
mod kinds;
mod paths;
