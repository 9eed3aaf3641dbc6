//! The tour: the main job from seal to proof, a line or two for each step, and each step checked.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};

use super::cities::{Cities, MATTER, RunningCity};
use super::paper::annotated_copy;
use super::proof::prove;
use super::step::{Tour, expect, rule_of};
use crate::exchange::import::{Format, Importer, Options};
use crate::exchange::ops::search::SearchAnswer;
use crate::node::Error;
use crate::peer::PartnerClient;
use licence_seal::licence::{Catalogue, Generator, HolderCodeType, Record};
use licence_seal::seal::report::Report;
use licence_seal::seal::{Ask, Indication, Trust, verify_licence};

/// Seed of the sample data: the same people live in all three cities.
const SEED: u64 = 20_261_123;

/// What the tour says at its end.
pub struct Outcome {
    pub steps: usize,
    pub failed: usize,
    /// A request for data that the agency may make.
    pub request: Value,
}

/// The licence that the tour follows.
struct Subject {
    holder: String,
    code_type: HolderCodeType,
    record: Record,
    /// Fields that the grant covers, and one that it does not.
    fields: Vec<String>,
    withheld: String,
}

/// Walks through everything; a step that fails does not keep the later ones from being tried.
pub fn walk(cities: &Cities, records: u64, out: &mut dyn Write) -> Result<Outcome, Error> {
    let catalogue = Catalogue::embedded()?;
    let mut tour = Tour::new(out);
    let mut data = Vec::new();
    for city in cities.all() {
        let made = sample(catalogue, city, records)?;
        let told = import(city, &made);
        let name = city.files.region.name();
        tour.step(
            &format!("{name}: licences are generated, sealed in batches by their authorities, and stored"),
            &format!("{name}：生成证照，由颁发机构成批签章并入库"),
            told,
        )?;
        data.push(made);
    }
    let subject = subject(catalogue, &data)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(exchange(cities, &subject, &mut tour))?;
    prove(cities, &mut tour)?;
    let request = data_request(&subject, cities.hebei.files.region.code(), None);
    // The copy-paste request stays inside the city, so that it needs no signature.
    let own = data.first().and_then(|records| records.iter().find(|record| holds(record, &subject)));
    let request = match own {
        Some(record) => {
            json!({ "context": context(), "identifier": record.identifier.as_str(), "fields": ["certificateHolderName", "certificateNumber"] })
        }
        None => request,
    };
    Ok(Outcome { steps: tour.steps, failed: tour.failed, request })
}

async fn exchange(cities: &Cities, subject: &Subject, tour: &mut Tour<'_>) -> Result<(), Error> {
    let (home, hebei) = (&cities.tianjin, &cities.hebei);
    let mut agency = cities.client(home, home, "agency")?;
    agency.authenticate().await?;

    let found = search(&agency, subject).await;
    tour.step(
        "An agency in Tianjin searches all three cities for one holder, in its own signed request",
        "天津某机构以自己的签名请求，同时检索三地的同一持证主体",
        found,
    )?;

    let granted = grant(cities, subject).await;
    tour.step(
        "Hebei's operator grants the agency four fields of one type of licence, through the running node",
        "河北节点运维人员在线授权：仅限一类证照的四个照面字段",
        granted,
    )?;

    let mut fetched = Vec::new();
    let told = fetch(&agency, subject, hebei).await.map(|body| {
        fetched = body;
        format!(
            "{} ({} bytes), its seal, status and receipt checked by Tianjin's node on the way",
            subject.record.identifier,
            fetched.len()
        )
    });
    tour.step(
        "The agency fetches the Hebei licence with just these four fields",
        "该机构经天津节点取得河北证照，只含这四个字段",
        told,
    )?;

    let trust = Trust::read(&home.files.dir.join("trust"))?;
    tour.step(
        "It verifies offline, against the trust folder alone",
        "仅凭信任目录离线验证",
        offline(&fetched, &trust, cities, subject),
    )?;

    let request = data_request(subject, hebei.files.region.code(), None);
    tour.step(
        "For the file: an annotated copy (OFD) under the seal of Hebei's node, drawn from these fields alone",
        "存档用：由河北节点签章的加注件（OFD），版面仅含这四个字段",
        annotated_copy(&agency, &request, hebei, &trust, cities).await,
    )?;

    tour.step(
        "What the grant does not cover is refused, and the refusal names the rule",
        "授权之外一律拒绝，并指明所依据的规则",
        refused(&agency, subject).await,
    )?;
    tour.step(
        "A client without a certificate, an unregistered one and one with a revoked certificate are turned away",
        "无证书、未登记、证书已吊销的客户端均被拒之门外",
        turned_away(cities).await,
    )?;
    tour.step(
        "The issuing authority revokes the licence: the next look says so",
        "颁发机构吊销该证照，再次查询即见变化",
        revoke(cities, &agency, subject, &trust).await,
    )?;
    tour.step(
        "A tampered file fails, and the report names the check",
        "被篡改的文件验证失败，报告指明未通过的检查项",
        tampered(&fetched, &trust, cities),
    )
}

/// Records of a city; the same seed gives the same people everywhere.
fn sample(catalogue: &'static Catalogue, city: &RunningCity, records: u64) -> Result<Vec<Record>, Error> {
    let generator = Generator::new(catalogue, SEED, city.files.region)?;
    Ok((0..records).map(|n| generator.record(n)).collect::<Result<_, _>>()?)
}

fn import(city: &RunningCity, records: &[Record]) -> Result<String, Error> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, &record.to_json())?;
        lines.push(b'\n');
    }
    let node = &city.running.node;
    let importer = Importer::new(&node.exchange, &node.store, Options::default(), Box::new(|_| ()));
    let mut importer = importer?;
    importer.file("sample", Format::JsonLines, lines.as_slice())?;
    let progress = importer.finish()?;
    if progress.refused > 0 {
        return Err(format!("{} lines were refused", progress.refused).into());
    }
    let types: std::collections::BTreeSet<_> = records.iter().map(|record| &record.type_code).collect();
    Ok(format!(
        "{} licences of {} types in {} sealed batches",
        progress.imported,
        types.len(),
        progress.batches
    ))
}

/// A natural person with valid licences in every city, and one of the Hebei ones.
fn subject(catalogue: &Catalogue, data: &[Vec<Record>]) -> Result<Subject, Error> {
    let mut cities_of: BTreeMap<&str, usize> = BTreeMap::new();
    for records in data {
        let codes: std::collections::BTreeSet<&str> =
            records.iter().flat_map(|record| &record.holders).map(|holder| holder.code()).collect();
        for code in codes {
            *cities_of.entry(code).or_default() += 1;
        }
    }
    let today = licence_seal::time::Clock::now(&licence_seal::time::SystemClock).day();
    let hebei = data.last().ok_or("no data")?;
    for record in hebei {
        let [holder] = record.holders.as_slice() else { continue };
        let kind = catalogue.get(&record.type_code).ok_or("an unknown type")?;
        let good = record.state.effective(record.valid_from, record.valid_until, today).is_good();
        let shown = record.disclosed();
        let faces: Vec<&str> = kind
            .fields
            .iter()
            .map(|field| field.name.as_str())
            .filter(|name| shown.contains_key(*name))
            .collect();
        if let ([first, second, withheld, ..], Some(3), true) =
            (faces.as_slice(), cities_of.get(holder.code()), good)
        {
            let fields = ["certificateHolderName", "certificateNumber", first, second];
            return Ok(Subject {
                holder: holder.code().to_owned(),
                code_type: holder.code_type(),
                fields: fields.map(str::to_owned).to_vec(),
                withheld: (*withheld).to_owned(),
                record: record.clone(),
            });
        }
    }
    Err("the sample data has nobody with licences in all three cities: ask for more --records".into())
}

fn holds(record: &Record, subject: &Subject) -> bool {
    record.holders.iter().any(|holder| holder.code() == subject.holder)
}

/// 事项, 办件, operator, purpose and basis: every request carries them.
fn context() -> Value {
    json!({
        "itemCode": MATTER,
        "itemName": "住房公积金异地贷款缴存使用证明（示例）",
        "caseNumber": "TJ-2026-000001",
        "operator": "示例经办人",
        "operatorOrg": "天津市住房公积金管理中心（示例）",
        "purpose": "核验异地贷款申请人所持证照",
        "basis": { "kind": "statutory", "code": "住房公积金管理条例" },
    })
}

fn data_request(subject: &Subject, region: &str, extra: Option<&str>) -> Value {
    let mut fields = subject.fields.clone();
    fields.extend(extra.map(str::to_owned));
    json!({ "context": context(), "identifier": subject.record.identifier.as_str(), "fields": fields, "region": region })
}

async fn search(agency: &PartnerClient, subject: &Subject) -> Result<String, Error> {
    let request = json!({
        "context": context(),
        "holder": { "code": subject.holder, "codeType": subject.code_type.code() },
        "regions": ["120000", "110000", "130000"],
    });
    let answer = agency.ask("/v1/licences/search", &request, Some(&["110000", "130000"])).await?;
    let parsed: SearchAnswer = serde_json::from_slice(expect(&answer, 200)?)?;
    let mut told = Vec::new();
    for result in &parsed.results {
        if result.outcome != "answered" || result.licences.is_empty() {
            return Err(format!("region {} {}", result.region, result.outcome).into());
        }
        let names: Vec<String> =
            result.licences.iter().map(|hit| format!("{} ({})", hit.name, hit.state_zh)).collect();
        told.push(format!("{}: {}", result.region, names.join("、")));
    }
    if told.len() == 3 { Ok(told.join("\n     ")) } else { Err("not three cities answered".into()) }
}

async fn grant(cities: &Cities, subject: &Subject) -> Result<String, Error> {
    let hebei = &cities.hebei;
    let mut operator = cities.client(hebei, hebei, "operator")?;
    operator.authenticate().await?;
    let grant = json!({ "putGrant": {
        "id": "demo-data",
        "partner": "120000/agency",
        "operations": ["data", "file"],
        "types": [subject.record.type_code.as_str()],
        "fields": subject.fields,
        "matters": [MATTER],
        "from": cities.clock.now().plus_secs(-60),
    }});
    expect(&operator.ask("/v1/admin", &grant, None).await?, 200)?;
    // In Tianjin the agency's own grant, for the commands at the end.
    let home = &cities.tianjin;
    let mut operator = cities.client(home, home, "operator")?;
    operator.authenticate().await?;
    let own = json!({ "putGrant": {
        "id": "demo-data",
        "partner": "agency",
        "operations": ["data"],
        "types": ["*"],
        "fields": ["certificateHolderName", "certificateNumber"],
        "matters": [MATTER],
        "from": cities.clock.now().plus_secs(-60),
    }});
    expect(&operator.ask("/v1/admin", &own, None).await?, 200)?;
    Ok(format!("granted: {}", subject.fields.join(", ")))
}

async fn fetch(agency: &PartnerClient, subject: &Subject, from: &RunningCity) -> Result<Vec<u8>, Error> {
    let region = from.files.region.code();
    let answer =
        agency.ask("/v1/licences/data", &data_request(subject, region, None), Some(&[region])).await?;
    Ok(expect(&answer, 200)?.to_vec())
}

fn report(bytes: &[u8], trust: &Trust, cities: &Cities) -> Result<Report, Error> {
    let ask = Ask { at: cities.clock.now(), seal_only: false, catalogue: Some(Catalogue::embedded()?) };
    Ok(verify_licence("licence.json", bytes, trust, &ask))
}

fn offline(bytes: &[u8], trust: &Trust, cities: &Cities, subject: &Subject) -> Result<String, Error> {
    let report = report(bytes, trust, cities)?;
    let shown = report.licence.as_ref().ok_or("it shows nothing")?;
    let names: Vec<&str> = shown.fields.iter().map(|field| field.name.as_str()).collect();
    if !report.verdict.passed()
        || names.len() != 4
        || !subject.fields.iter().all(|name| names.contains(&name.as_str()))
    {
        return Err(format!("{} with fields {names:?}", report.summary.en).into());
    }
    let voice = report.seal.voice.as_ref().map(|voice| voice.zh.as_str()).unwrap_or_default();
    let labels: Vec<String> = shown.fields.iter().map(|field| field.label.clone()).collect();
    Ok(format!(
        "{}，{voice}；所示字段：{}；其余 {} 项不可见",
        report.summary.zh,
        labels.join("、"),
        shown.hidden_fields
    ))
}

async fn refused(agency: &PartnerClient, subject: &Subject) -> Result<String, Error> {
    let mut told = Vec::new();
    // A field outside the grant.
    let wider = data_request(subject, "130000", Some(&subject.withheld));
    let answer = agency.ask("/v1/licences/data", &wider, Some(&["130000"])).await?;
    told.push(rule_of(&answer, 403, "grant.fields")?);
    // Another matter.
    let mut other = data_request(subject, "130000", None);
    if let Some(matter) = other.pointer_mut("/context/itemCode") {
        *matter = "120000-zf-9999".into();
    }
    let answer = agency.ask("/v1/licences/data", &other, Some(&["130000"])).await?;
    told.push(rule_of(&answer, 403, "grant.matter")?);
    // Across cities without the partner's own signature.
    let answer = agency.ask("/v1/licences/data", &data_request(subject, "130000", None), None).await?;
    told.push(rule_of(&answer, 401, "signature.required")?);
    // The same signed request a second time.
    let body = serde_json::to_vec(&data_request(subject, "130000", None))?;
    let signature = agency.sign("/v1/licences/data", &body, &["130000"])?;
    expect(&agency.send("/v1/licences/data", body.clone(), Some(&signature)).await?, 200)?;
    let answer = agency.send("/v1/licences/data", body, Some(&signature)).await?;
    told.push(rule_of(&answer, 401, "signature.replayed")?);
    Ok(told.join("; "))
}

async fn turned_away(cities: &Cities) -> Result<String, Error> {
    let home = &cities.tianjin;
    let mut told = Vec::new();
    crate::peer::use_ring();
    let anchors =
        reqwest::Certificate::from_pem_bundle(&std::fs::read(home.files.dir.join("certs/ca.pem"))?)?;
    let bare = reqwest::Client::builder().tls_certs_only(anchors).no_proxy().build()?;
    let answer = bare.post(format!("{}/v1/licences/search", home.running.url())).body("{}").send().await?;
    let status = answer.status().as_u16();
    let body: Value = serde_json::from_slice(&answer.bytes().await?)?;
    if status != 401 || body.get("rule") != Some(&json!("certificate.missing")) {
        return Err(format!("without certificate: {status} {body}").into());
    }
    told.push("401 certificate.missing".to_owned());
    for (id, rule) in [("stranger", "registration.unknown"), ("gone", "certificate.path.revoked")] {
        let client = cities.client(home, home, id)?;
        let answer = client.ask("/v1/licences/search", &json!({}), None).await?;
        told.push(rule_of(&answer, 401, rule)?);
    }
    Ok(told.join("; "))
}

async fn revoke(
    cities: &Cities,
    agency: &PartnerClient,
    subject: &Subject,
    trust: &Trust,
) -> Result<String, Error> {
    let hebei = &cities.hebei;
    let mut authority = cities.client(hebei, hebei, "authority")?;
    authority.authenticate().await?;
    let change = json!({
        "context": context(),
        "identifier": subject.record.identifier.as_str(),
        "state": "revoked",
        "reason": "示例：依法吊销",
    });
    expect(&authority.ask("/v1/licences/status", &change, None).await?, 200)?;
    let again = fetch(agency, subject, hebei).await?;
    let report = report(&again, trust, cities)?;
    let state = report.status.as_ref().and_then(|status| status.state.as_ref());
    match (report.seal.verdict.indication, report.verdict.indication, state) {
        (Indication::TotalPassed, Indication::TotalFailed, Some(state)) if state.en == "revoked" => {
            Ok(report.summary.zh)
        }
        _ => Err(report.summary.en.into()),
    }
}

fn tampered(bytes: &[u8], trust: &Trust, cities: &Cities) -> Result<String, Error> {
    let text = String::from_utf8(bytes.to_vec())?;
    // The issue date a day later: a change that leaves the file well formed.
    let mark = "\"issued\":\"";
    let at = text.find(mark).ok_or("no issue date")? + mark.len() + 9;
    let mut changed = text.into_bytes();
    if let Some(digit) = changed.get_mut(at) {
        *digit = if *digit == b'9' { b'8' } else { *digit + 1 };
    }
    let report = report(&changed, trust, cities)?;
    let failed = report.open_checks().next();
    match failed.filter(|_| report.verdict.indication == Indication::TotalFailed) {
        Some(check) => Ok(format!("{}: {}", check.name, check.reason.as_deref().unwrap_or_default())),
        None => Err(report.summary.en.clone().into()),
    }
}
