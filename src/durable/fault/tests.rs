use std::collections::BTreeSet;

use super::*;

const SEEDS: std::ops::Range<u64> = 0..200;

fn create(disk: &FaultDisk, name: &str) -> Box<dyn DiskFile> {
    disk.create(&Path::new("d").join(name)).unwrap()
}

fn content(disk: &FaultDisk, name: &str) -> Option<Vec<u8>> {
    disk.read(&Path::new("d").join(name)).unwrap()
}

/// Every way in which `disk` can be found after a crash, as `look` sees it.
fn crashes<T: Ord>(disk: &FaultDisk, look: impl Fn(&FaultDisk) -> T) -> BTreeSet<T> {
    SEEDS.map(|seed| look(&disk.crash_reordered(seed))).collect()
}

#[test]
fn the_same_seed_gives_the_same_disk() {
    let disk = FaultDisk::new();
    for name in ["a", "b", "c"] {
        create(&disk, name).write(&[7; 3000]).unwrap();
    }
    for seed in SEEDS {
        let (one, two) = (disk.crash_reordered(seed), disk.crash_reordered(seed));
        assert_eq!(one.paths(), two.paths());
        assert!(["a", "b", "c"].iter().all(|name| content(&one, name) == content(&two, name)));
    }
}

#[test]
fn sectors_arrive_in_any_order_and_what_was_fsynced_stays() {
    let disk = FaultDisk::new();
    let mut file = create(&disk, "f");
    file.write(&[1; 700]).unwrap();
    file.sync().unwrap();
    disk.sync_dir(Path::new("d")).unwrap();
    file.write(&[2; 600]).unwrap();
    file.write(&[3; 500]).unwrap();
    let found = crashes(&disk, |disk| content(disk, "f").unwrap());
    assert!(found.iter().all(|content| content.starts_with(&[1; 700]) && content.len() <= 1800));
    // By sector: each is as it was after none, one or both of the writes.
    let sector =
        |content: &Vec<u8>, at: usize| content.get(at..(at + 512).min(content.len())).map(<[u8]>::to_vec);
    let whole = |first: u8, second: u8| [vec![first; 276], vec![second; 236]].concat();
    for content in found.iter().filter(|content| content.len() == 1800) {
        let middle = sector(content, 1024).unwrap();
        assert!([whole(0, 0), whole(2, 0), whole(2, 3)].contains(&middle), "{middle:?}");
    }
    let later_only = |content: &Vec<u8>| content.get(800) == Some(&0) && content.get(1700) == Some(&3);
    assert!(found.iter().any(later_only), "a later sector without an earlier one");
    assert!(found.contains(&vec![1; 700]) && found.iter().any(|content| content.len() == 1024));
    file.sync().unwrap();
    assert_eq!(crashes(&disk, |disk| content(disk, "f").unwrap()).len(), 1);
}

#[test]
fn names_change_in_any_order_until_their_directory_is_fsynced() {
    let disk = FaultDisk::new();
    let dir = Path::new("d");
    drop(create(&disk, "old"));
    disk.sync_dir(dir).unwrap();
    drop(create(&disk, "new"));
    disk.remove(&dir.join("old")).unwrap();
    disk.rename(&dir.join("new"), &dir.join("last")).unwrap();
    let found = crashes(&disk, FaultDisk::paths);
    for names in [&["old"][..], &["last"], &["new"], &["last", "old"], &["new", "old"], &[]] {
        let paths: Vec<PathBuf> = names.iter().map(|name| dir.join(name)).collect();
        assert!(found.contains(&paths), "{names:?}");
    }
    disk.sync_dir(dir).unwrap();
    assert_eq!(crashes(&disk, FaultDisk::paths).into_iter().collect::<Vec<_>>(), [[dir.join("last")]]);
}

#[test]
fn a_full_disk_stays_full_until_something_is_removed() {
    let disk = FaultDisk::new();
    let mut file = create(&disk, "f");
    create(&disk, "other").write(&[1; 100]).unwrap();
    disk.plan(Plan::FullFrom(1));
    file.write(&[1; 50]).unwrap();
    let full = |outcome: io::Result<()>| outcome.unwrap_err().kind() == ErrorKind::StorageFull;
    assert!(full(file.write(&[2; 10])) && full(file.write(&[2; 10])));
    file.sync().unwrap();
    assert!(full(disk.create(Path::new("d/more")).map(drop)));
    disk.remove(Path::new("d/other")).unwrap();
    file.write(&[3; 60]).unwrap();
    assert!(full(file.write(&[4; 60])), "40 bytes are left");
    assert_eq!(content(&disk, "f").unwrap(), [vec![1; 50], vec![3; 60], vec![4; 40]].concat());
    disk.truncate(Path::new("d/f"), 140).unwrap();
    create(&disk, "more").write(&[5; 10]).unwrap();
}

#[test]
fn a_failed_fsync_is_not_made_good_by_a_later_one() {
    let disk = FaultDisk::new();
    let mut file = create(&disk, "f");
    disk.sync_dir(Path::new("d")).unwrap();
    disk.plan(Plan::FailSync(1));
    for (byte, done) in [(1, true), (2, false), (3, true)] {
        file.write(&[byte; 600]).unwrap();
        assert_eq!(file.sync().is_ok(), done);
    }
    assert_eq!(content(&disk, "f").unwrap().len(), 1800);
    assert_eq!(content(&disk.crash(0), "f").unwrap(), [1; 600]);
    assert!(crashes(&disk, |disk| content(disk, "f").unwrap()).contains(&vec![1; 600]));
}
