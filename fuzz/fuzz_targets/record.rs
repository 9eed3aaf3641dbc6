//! Arbitrary bytes as a record, an identifier and the codes; what parses, survives its wire form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use licence_seal::licence::{Catalogue, CitizenNumber, Identifier, Record, Uscc};

fuzz_target!(|data: &[u8]| {
    let Ok(catalogue) = Catalogue::embedded() else { return };
    if let Ok(record) = Record::parse_json(data, catalogue) {
        let again = Record::parse_json(record.to_json().to_string().as_bytes(), catalogue);
        assert_eq!(again.as_ref(), Ok(&record));
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Identifier::parse(text);
        let _ = Uscc::parse(text);
        let _ = CitizenNumber::parse(text);
    }
});
