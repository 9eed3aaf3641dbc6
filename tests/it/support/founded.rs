//! Cities founded, certified and acquainted once: the towns of every test begin as their copies.
//!
//! What is shared are keys, certificates and lists, which take longer to make than a test to run. No
//! store and no log is: a node makes its own in its copy.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock};

use licence_node::lab::City;
use licence_node::node::certificate_of;
use licence_node::rules::{Registration, Role};
use licence_seal::crypto::{Random, Suite};
use licence_seal::evidence::DirectoryEntry;
use licence_seal::licence::{Catalogue, Generator, Record, Region};
use licence_seal::time::{Clock, SystemClock};

use super::random;

/// Records of each town; the same people live in all of them.
const RECORDS: u64 = 150;
const SEED: u64 = 7;

/// Clients of Tianjin: id, whether registered as a partner.
const CLIENTS: [(&str, bool); 8] = [
    ("agency", true),
    ("bureau", true),
    ("signer", true),
    ("gone", true),
    ("ended", true),
    ("elsewhere", true),
    ("stranger", false),
    ("unlisted", true),
];

/// Cities that know each other.
pub struct Founded {
    pub suite: Suite,
    pub cities: Vec<FoundedCity>,
    files: Vec<Saved>,
}

pub struct FoundedCity {
    pub region: Region,
    pub registrations: Vec<Registration>,
    pub records: Vec<Record>,
    city: Mutex<City>,
}

/// A file, or a folder, which has no content.
struct Saved {
    path: PathBuf,
    mode: u32,
    content: Option<Vec<u8>>,
}

impl Founded {
    /// Tianjin alone.
    pub fn one() -> &'static Self {
        static MADE: OnceLock<Founded> = OnceLock::new();
        MADE.get_or_init(|| Self::new(&[Region::TIANJIN], Suite::P256Sha256))
    }

    /// Tianjin, Beijing and Hebei, with SM2 seals.
    pub fn three() -> &'static Self {
        static MADE: OnceLock<Founded> = OnceLock::new();
        MADE.get_or_init(|| Self::new(&Region::ALL, Suite::Sm2Sm3))
    }

    fn new(regions: &[Region], suite: Suite) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let random = random();
        let now = SystemClock.now();
        let found = |region: &Region| {
            City::create(*region, &folder.path().join(region.code()), suite, now, random.as_ref()).unwrap()
        };
        let cities: Vec<City> = regions.iter().map(found).collect();
        let mut partners = certify_partners(&cities[0], random.as_ref());
        for city in &cities[1..] {
            city.publish_directory(Vec::new()).unwrap();
        }
        let mut registered = Vec::new();
        for city in &cities {
            let mut registrations = own_registrations(city, random.as_ref());
            registrations.append(&mut partners);
            for other in cities.iter().filter(|other| other.region != city.region) {
                city.befriend(other).unwrap();
                let (code, name) = (other.region.code(), other.region.name());
                let fingerprint = other.node_fingerprint().to_owned();
                registrations.push(city.registration(code, name, Role::Peer, fingerprint));
            }
            registered.push(registrations);
        }
        let mut files = Vec::new();
        save(folder.path(), Path::new(""), &mut files);
        let cities = cities.into_iter().zip(registered).map(|(city, registrations)| FoundedCity {
            region: city.region,
            registrations,
            records: records(city.region),
            city: Mutex::new(city),
        });
        Self { suite, cities: cities.collect(), files }
    }

    /// Lays the cities' folders down in `folder`.
    pub fn copy_to(&self, folder: &Path) {
        for file in &self.files {
            let path = folder.join(&file.path);
            match &file.content {
                Some(content) => fs::write(&path, content).unwrap(),
                None => fs::create_dir(&path).unwrap(),
            }
            fs::set_permissions(&path, Permissions::from_mode(file.mode)).unwrap();
        }
    }
}

impl FoundedCity {
    /// The authority of the city, as that of the copy in `dir`.
    pub fn of(&self, dir: &Path) -> MutexGuard<'_, City> {
        let mut city = self.city.lock().unwrap();
        city.dir = dir.to_owned();
        city
    }
}

/// Reads what is in `inner` of `root`; a folder stands before what it holds.
fn save(root: &Path, inner: &Path, files: &mut Vec<Saved>) {
    for entry in fs::read_dir(root.join(inner)).unwrap() {
        let entry = entry.unwrap();
        let (path, mode) = (inner.join(entry.file_name()), entry.metadata().unwrap().permissions().mode());
        if entry.file_type().unwrap().is_dir() {
            files.push(Saved { path: path.clone(), mode, content: None });
            save(root, &path, files);
        } else {
            files.push(Saved { path, mode, content: Some(fs::read(entry.path()).unwrap()) });
        }
    }
}

/// Certificates for all clients, of which one is revoked; the directory; the partners' registrations.
fn certify_partners(home: &City, random: &dyn Random) -> Vec<Registration> {
    let mut partners = Vec::new();
    let mut listed = Vec::new();
    for (id, registered) in CLIENTS {
        let identity = home.client(id, id, random).unwrap();
        if registered {
            let mut one = home.registration(id, id, Role::Partner, identity.fingerprint.clone());
            one.must_sign = id == "signer";
            if id == "elsewhere" {
                one.addresses = vec!["10.0.0.0/8".parse().unwrap()];
            }
            partners.push(one);
        }
        if registered && id != "unlisted" {
            let certificates = vec![identity.fingerprint];
            listed.push(DirectoryEntry { id: id.to_owned(), name: id.to_owned(), certificates });
        }
        if id == "gone" {
            home.revoke(&[&certificate_of(&identity.certificate).unwrap()]).unwrap();
        }
    }
    home.publish_directory(listed).unwrap();
    partners
}

fn own_registrations(city: &City, random: &dyn Random) -> Vec<Registration> {
    let issuer_codes = city.issuers().unwrap().into_iter().map(|issuer| issuer.code.to_string()).collect();
    let make = |id: &str, role| {
        let identity = city.client(id, id, random).unwrap();
        city.registration(id, id, role, identity.fingerprint)
    };
    vec![
        make("operator", Role::Operator),
        make("auditor", Role::Auditor),
        Registration { issuer_codes, ..make("authority", Role::Issuer) },
    ]
}

fn records(region: Region) -> Vec<Record> {
    let generator = Generator::new(Catalogue::embedded().unwrap(), SEED, region).unwrap();
    (0..RECORDS).map(|n| generator.record(n).unwrap()).collect()
}
