//! (room head comment to be written)
