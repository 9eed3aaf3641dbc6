//! Arbitrary text as a verifier key and as a path of the log's public files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use licence_node::accesslog::{Resource, VerifierKey};

fuzz_target!(|data: &str| {
    if let Ok(key) = VerifierKey::parse(data) {
        assert_eq!(VerifierKey::parse(&key.to_string()).as_ref(), Ok(&key));
    }
    if let Some(resource) = Resource::parse(data) {
        assert_eq!(resource.path(), data);
    }
});
