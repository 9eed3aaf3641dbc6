//! kill -9 at seeded points: what was acknowledged is there afterwards, and nothing is half there.
//!
//! `LICENCE_NODE_KILLS=N` makes N cycles of each kind instead of 20. A cycle prints its seed, and
//! `LICENCE_KILL_SEED=S` runs that one alone. A seed fixes the data, the moment that is waited for and
//! the pause after it; what the program is doing at that moment is up to the machine.

mod import;
mod live;
mod master_key;

/// Seed of generated records.
const DATA_SEED: u64 = 7;

/// Seeds of the cycles of one kind.
fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    match number("LICENCE_KILL_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("LICENCE_NODE_KILLS").unwrap_or(20)).collect(),
    }
}
