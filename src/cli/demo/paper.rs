//! The demo's part about files that people look at: an annotated copy, and what verifying it says.

use serde_json::Value;

use super::cities::{Cities, RunningCity};
use super::step::expect;
use crate::node::Error;
use crate::peer::PartnerClient;
use licence_seal::licence::Catalogue;
use licence_seal::ofd::{Limits, Package, pack, verify_ofd};
use licence_seal::seal::report::Report;
use licence_seal::seal::{Ask, Indication, Trust};

/// Fetches an annotated copy from another city, verifies it, and a forgery of it.
pub async fn annotated_copy(
    agency: &PartnerClient,
    request: &Value,
    from: &RunningCity,
    trust: &Trust,
    cities: &Cities,
) -> Result<String, Error> {
    let region = from.files.region.code();
    let answer = agency.ask("/v1/licences/file", request, Some(&[region])).await?;
    let copy = expect(&answer, 200)?;
    let report = verified(copy, trust, cities)?;
    let voice = report.signatures.iter().find_map(|signature| signature.voice.as_ref());
    let voice = voice.map(|voice| voice.zh.as_str()).unwrap_or_default();
    if !report.verdict.passed() {
        return Err(report.to_text().into());
    }
    let forged = verified(&forged(copy)?, trust, cities)?;
    let failed = forged.deciding_check().map(|check| check.name);
    if forged.verdict.indication != Indication::TotalFailed || failed != Some("references") {
        return Err(format!("a forged page came out as {}", forged.summary.en).into());
    }
    Ok(format!(
        "{} bytes, {}; {voice}\n     一份改动版面的副本：{}",
        copy.len(),
        report.summary.zh,
        forged.summary.zh
    ))
}

fn verified(file: &[u8], trust: &Trust, cities: &Cities) -> Result<Report, Error> {
    let ask = Ask { at: cities.clock.now(), seal_only: false, catalogue: Some(Catalogue::embedded()?) };
    Ok(verify_ofd("copy.ofd", file, trust, &ask, &Limits::default()))
}

/// The same copy with one byte more on its first page.
fn forged(file: &[u8]) -> Result<Vec<u8>, Error> {
    let mut entries = Package::open(file, &Limits::default())?.into_entries();
    let page = entries.iter_mut().find(|(name, _)| name.ends_with("Content.xml")).ok_or("no page")?;
    page.1.push(b'\n');
    Ok(pack(entries.iter().map(|(name, data)| (name.as_str(), data.as_slice())))?)
}
