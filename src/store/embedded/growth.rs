//! How much disk sled takes, and whether what may have to be written still has room.
//!
//! sled 0.34 can grow without end, and gives nothing back that it took (`storage.md` 5, 6). Each checkpoint
//! holds its size against what so many licences should take; the cure is `store compact`.

use std::path::Path;

use crate::store::StoreWarning;

/// Licences that a small store is reckoned to have: sled begins with some room of its own.
const AT_LEAST: u64 = 100_000;

/// Sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) licences: u64,
    pub(crate) sled: u64,
    /// Free room beside sled and with the exports; `None` where the system does not tell.
    pub(crate) free: Option<u64>,
    pub(crate) exports_free: Option<u64>,
}

/// What of these sizes calls for a warning; `alarm` bytes for each licence are still well, 0 looks at no
/// growth.
pub(crate) fn judge(sizes: &Sizes, alarm: u64) -> Vec<StoreWarning> {
    let mut warnings = Vec::new();
    let well = sizes.licences.max(AT_LEAST).saturating_mul(alarm);
    if alarm > 0 && sizes.sled > well {
        let Sizes { licences, sled, .. } = sizes;
        let detail =
            format!("sled has {sled} bytes for {licences} licences, more than {well}: `store compact`");
        warnings.push(StoreWarning { name: "sledGrown".into(), detail });
    }
    // A whole copy is the most that an export or a rebuilding writes.
    let places =
        [("dataDiskFull", "rebuilding", sizes.free), ("exportDiskFull", "an export", sizes.exports_free)];
    for (name, what, free) in places {
        if let Some(free) = free.filter(|free| *free < sizes.sled) {
            let detail = format!("{free} bytes are free, and {what} may need {}", sizes.sled);
            warnings.push(StoreWarning { name: name.into(), detail });
        }
    }
    warnings
}

/// Bytes that may still be written to the disk of a folder.
pub(crate) fn free_bytes(dir: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(dir).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(licences: u64, sled: u64, free: u64, exports_free: u64) -> Vec<std::borrow::Cow<'static, str>> {
        let (free, exports_free) = (Some(free), Some(exports_free));
        let sizes = Sizes { licences, sled, free, exports_free };
        judge(&sizes, 700).into_iter().map(|warning| warning.name).collect()
    }

    #[test]
    fn growth_and_lack_of_room_are_told_apart() {
        let none: [&str; 0] = [];
        assert_eq!(names(0, 70_000_000, u64::MAX, u64::MAX), none);
        assert_eq!(names(0, 70_000_001, u64::MAX, u64::MAX), ["sledGrown"]);
        assert_eq!(names(42_000_000, 14_000_000_000, 14_000_000_000, 14_000_000_000), none);
        assert_eq!(names(42_000_000, 30_000_000_000, 1, 1), ["sledGrown", "dataDiskFull", "exportDiskFull"]);
        assert_eq!(names(42_000_000, 14_000_000_000, 13_000_000_000, 15_000_000_000), ["dataDiskFull"]);
        let unknown = Sizes { licences: 1, sled: u64::MAX, free: None, exports_free: None };
        assert_eq!(judge(&unknown, 0), []);
        assert!(free_bytes(Path::new("/")).is_some_and(|free| free > 0));
    }
}
