//! How much memory the process has, held against a limit.
//!
//! sled 0.34 takes more than its cache: about three times that, and now and then more (`storage.md` 6).
//! It cannot be told to give any back, so what is left is to say so in time: a warning at 80 % of the
//! limit, an error and an unhealthy node past it, so that it can be restarted at a quiet hour and not by
//! the system's killer of processes at a busy one.

use parking_lot::Mutex;

use super::settings::StoreSettings;

/// How near the process is to its limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MemoryLevel {
    #[default]
    Fine,
    /// From 80 % on, and until it is below 70 % again.
    Near,
    /// Past the limit, and until it is below 90 % again.
    Over,
}

impl MemoryLevel {
    /// The level after a reading; a limit of 0 is none.
    #[must_use]
    pub fn after(self, resident: u64, limit: u64) -> Self {
        if limit == 0 {
            return Self::Fine;
        }
        let percent = u128::from(resident) * 100 / u128::from(limit);
        match (self, percent) {
            (_, 101..) | (Self::Over, 90..) => Self::Over,
            (_, 100) if resident > limit => Self::Over,
            (_, 80..) | (Self::Near | Self::Over, 70..) => Self::Near,
            _ => Self::Fine,
        }
    }
}

/// Remembers the level, and tells each change of it once.
#[derive(Debug, Default)]
pub struct MemoryWatch(Mutex<MemoryLevel>);

impl MemoryWatch {
    /// Takes a reading in.
    pub fn observe(&self, resident_bytes: u64, limit_bytes: u64) -> MemoryLevel {
        let mut level = self.0.lock();
        let next = level.after(resident_bytes, limit_bytes);
        if next != *level {
            match next {
                MemoryLevel::Fine => {
                    tracing::info!(resident_bytes, limit_bytes, "memory is well below its limit")
                }
                MemoryLevel::Near => tracing::warn!(resident_bytes, limit_bytes, "memory is near its limit"),
                MemoryLevel::Over => {
                    tracing::error!(
                        resident_bytes,
                        limit_bytes,
                        "memory is past its limit; restart the node soon"
                    );
                }
            }
        }
        *level = next;
        next
    }

    /// Whether the process is past its limit.
    pub fn is_over(&self) -> bool {
        *self.0.lock() == MemoryLevel::Over
    }
}

/// Resident bytes of this process; `None` where the system does not tell them.
pub fn resident_bytes() -> Option<u64> {
    read(&std::fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// The most that [`resident_bytes`] ever were.
pub fn peak_resident_bytes() -> Option<u64> {
    read(&std::fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

fn read(status: &str, name: &str) -> Option<u64> {
    let kilobytes = status.lines().find_map(|line| line.strip_prefix(name))?;
    kilobytes.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

impl StoreSettings {
    /// Bytes that the process will need while it serves, about.
    pub fn expected_memory(&self) -> u64 {
        self.cache_bytes.saturating_mul(3).saturating_add(BESIDE)
    }

    /// One line that says what will be used.
    pub fn memory_line(&self) -> String {
        let Self { cache_bytes, sort_bytes, memory_limit_bytes, .. } = self;
        let expected = self.expected_memory();
        format!(
            "about {expected} bytes of memory while serving (3 x cache_bytes of {cache_bytes}, and {BESIDE}), \
             {sort_bytes} more (sort_bytes) while importing or rebuilding; memory_limit_bytes is {memory_limit_bytes}"
        )
    }
}

/// What the process needs beside sled.
const BESIDE: u64 = 128 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_follows_the_readings_and_does_not_flutter() {
        use MemoryLevel::{Fine, Near, Over};
        let mut level = Fine;
        let readings = [
            (0, Fine),
            (799, Fine),
            (800, Near),
            (790, Near),
            (699, Fine),
            (1000, Near),
            (1001, Over),
            (950, Over),
            (899, Near),
            (500, Fine),
            (u64::MAX, Over),
            (0, Fine),
        ];
        let watch = MemoryWatch::default();
        for (resident, expected) in readings {
            level = level.after(resident, 1000);
            assert_eq!((level, watch.observe(resident, 1000)), (expected, expected), "{resident}");
            assert_eq!(watch.is_over(), expected == Over);
        }
        assert_eq!(Over.after(u64::MAX, 0), Fine);
    }

    #[test]
    fn the_system_says_how_much_it_is() {
        assert_eq!(read("VmPeak:\t 9 kB\nVmRSS:\t    2048 kB\n", "VmRSS:"), Some(2 << 20));
        assert_eq!(read("VmRSS:\t many\n", "VmRSS:"), None);
        if cfg!(target_os = "linux") {
            let resident = resident_bytes().unwrap();
            assert!(resident > 1 << 20 && peak_resident_bytes().unwrap() >= resident);
        }
    }

    #[test]
    fn the_default_settings_keep_their_limit() {
        let settings = StoreSettings::default();
        assert!(
            settings.expected_memory() + settings.sort_bytes as u64 <= settings.memory_limit_bytes * 8 / 10
        );
    }
}
