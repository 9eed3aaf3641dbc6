//! A node that is killed while it answers: issuing, new versions, states, searching and fetching.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use futures_util::future::{join, join_all};
use licence_node::accesslog::{Filter, Found, Outcome};
use licence_node::peer::PartnerClient;
use licence_node::store::{LicenceReader, RecoveryCause, StoreAdmin};
use licence_seal::evidence::Receipt;
use licence_seal::licence::{Identifier, Record, State};
use serde_json::{Value, json};

use super::super::child::{self, Dice, Folder, Served, check_store_and_log, context};
use super::{DATA_SEED, seeds};

/// Licences in the store before the load.
const STORED: u64 = 150;

/// A request and its answer.
struct Answered {
    path: &'static str,
    request: Vec<u8>,
    signature: Option<String>,
    answer: Vec<u8>,
    receipt: String,
}

/// The clients' side: everything that was answered, and the node that is killed under them.
struct Load {
    served: RefCell<Served>,
    answered: RefCell<Vec<Answered>>,
    /// So many answers, then the kill.
    after: usize,
    dice: RefCell<Dice>,
}

impl Load {
    /// Asks; `None` once the node is gone.
    async fn ask(&self, client: &PartnerClient, path: &'static str, body: &Value, sign: bool) -> Option<()> {
        let request = serde_json::to_vec(body).unwrap();
        let signature = sign.then(|| client.sign(path, &request, &[]).unwrap());
        let answer = client.send(path, request.clone(), signature.as_deref()).await.ok()?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 200, "{path}: {text}");
        let receipt = answer.receipt.expect("every answer has a receipt");
        let answered = Answered { path, request, signature, answer: answer.body, receipt };
        let mut all = self.answered.borrow_mut();
        all.push(answered);
        if all.len() == self.after {
            child::pause(&mut self.dice.borrow_mut(), Duration::from_millis(4));
            self.served.borrow_mut().kill();
        }
        Some(())
    }

    async fn search(&self, client: &PartnerClient, records: &[Record]) {
        for record in records.iter().cycle() {
            let holder = record.holders.first().unwrap();
            let holder = json!({ "code": holder.code(), "codeType": holder.code_type().code() });
            let body = json!({ "context": context(), "holder": holder });
            if self.ask(client, "/v1/licences/search", &body, false).await.is_none() {
                break;
            }
        }
    }

    async fn data(&self, client: &PartnerClient, records: &[Record]) {
        for record in records.iter().cycle() {
            let body = json!({ "context": context(), "identifier": record.identifier });
            if self.ask(client, "/v1/licences/data", &body, true).await.is_none() {
                break;
            }
        }
    }

    async fn issue(&self, client: &PartnerClient, records: &[Record]) {
        for record in records {
            let body = json!({ "context": context(), "record": record.to_json() });
            if self.ask(client, "/v1/licences/issue", &body, false).await.is_none() {
                return;
            }
        }
        unreachable!("more records than answers");
    }

    async fn status(&self, client: &PartnerClient, records: &[Record]) {
        for state in ["suspended", "valid"].iter().cycle() {
            for record in records {
                let (id, reason) = (&record.identifier, "示例");
                let body =
                    json!({ "context": context(), "identifier": id, "state": state, "reason": reason });
                if self.ask(client, "/v1/licences/status", &body, false).await.is_none() {
                    return;
                }
            }
        }
    }
}

#[test]
fn a_node_that_is_killed_under_load_has_logged_and_kept_all_that_it_answered() {
    let dir = tempfile::tempdir().unwrap();
    let template = Folder::with_partners(&dir.path().join("template"), "sm2-sm3");
    let stored = child::records(DATA_SEED, 0..STORED);
    let file = dir.path().join("input.jsonl");
    fs::write(&file, child::json_lines(&stored)).unwrap();
    template.run(&["import", file.to_str().unwrap(), "--config", &template.config()]).ok();
    let fresh = child::records(DATA_SEED, 5_000..5_200);
    let changing: Vec<Record> = stored.iter().filter(|r| r.state == State::Valid).take(20).cloned().collect();
    let (first, second) = fresh.split_at(fresh.len() / 2);

    for seed in seeds() {
        let folder = template.copy_to(&dir.path().join("node"));
        let mut dice = Dice::new(seed);
        let after = 1 + usize::try_from(dice.below(80)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answered = runtime.block_on(async {
            let served = folder.serve();
            let agency = served.client(&folder, "agency").await;
            let authority = served.client(&folder, "authority").await;
            let (served, answered) = (RefCell::new(served), RefCell::new(Vec::new()));
            let load = Load { served, answered, after, dice: RefCell::new(dice) };
            let partners = join_all([load.search(&agency, &stored), load.search(&agency, &changing)]);
            let data = join_all([load.data(&agency, &stored), load.data(&agency, &changing)]);
            let issue = join_all([load.issue(&authority, first), load.issue(&authority, second)]);
            join(join(partners, data), join(issue, load.status(&authority, &changing))).await;
            load.answered.into_inner()
        });
        println!("serve, seed {seed}: killed after {after}, {} answered", answered.len());

        let without_sled = seed % 5 == 2;
        if without_sled {
            fs::remove_dir_all(folder.0.join("data/store/sled")).unwrap();
        }
        let last_counter = {
            let node = folder.open();
            assert!(node.store.recovery().unclean || without_sled, "{:?}", node.store.recovery());
            assert_eq!(without_sled, node.store.recovery().rebuilt == Some(RecoveryCause::Missing));
            let entries = node.exchange.log.search(&Filter::default()).unwrap();
            let receipts = check_receipts(&folder, &answered, &entries);
            check_changes(&answered, node.store.as_ref());
            check_change_entries(&entries, node.store.last_change());
            check_store_and_log(&node);
            node.close().unwrap();
            check_counters(&entries, &receipts)
        };
        folder.verify();

        runtime.block_on(async {
            let served = folder.serve();
            let agency = served.client(&folder, "agency").await;
            let body = json!({ "context": context(), "identifier": stored[0].identifier });
            let answer = agency.ask("/v1/licences/data", &body, None).await.unwrap();
            let receipt = Receipt::verify(&answer.receipt.unwrap(), &folder.node_key()).unwrap();
            // The token was the request before it.
            assert_eq!((answer.status, receipt.counter), (200, last_counter + 2));
            // What was used once before the kill is used up.
            if let Some(signed) = answered.iter().rev().find(|one| one.signature.is_some()) {
                let again =
                    agency.send(signed.path, signed.request.clone(), signed.signature.as_deref()).await;
                let again = again.unwrap();
                let problem: Value = serde_json::from_slice(&again.body).unwrap();
                assert_eq!(
                    (again.status, problem["rule"].as_str()),
                    (401, Some("signature.replayed")),
                    "{problem}"
                );
            }
            assert_eq!(served.terminate(), Some(0));
        });
        folder.verify();
        fs::remove_dir_all(&folder.0).unwrap();
    }
}

/// Each receipt speaks of its request and answer, and its entry stands where it says.
fn check_receipts(folder: &Folder, answered: &[Answered], entries: &[Found]) -> Vec<Receipt> {
    let key = folder.node_key();
    let mut receipts = Vec::new();
    for one in answered {
        let receipt = Receipt::verify(&one.receipt, &key).unwrap();
        receipt.covers("POST", one.path, &one.request, 200, &one.answer).unwrap();
        assert_eq!(receipt.log.leaves.len() as u64, receipt.log.count);
        for (index, leaf) in (receipt.log.index..).zip(&receipt.log.leaves) {
            let entry = entries.get(usize::try_from(index).unwrap()).expect("the entry of an answer");
            assert_eq!((entry.index, &B64.encode(entry.leaf_hash)), (index, leaf));
            assert_eq!(entry.entry.outcome, Outcome::Granted);
            assert_eq!(entry.details.as_ref().unwrap().counter, Some(receipt.counter));
        }
        receipts.push(receipt);
    }
    receipts
}

/// Issued licences are there, and each licence is in the state that was answered last, or in one that
/// was asked for and not answered any more.
fn check_changes(answered: &[Answered], store: &dyn LicenceReader) {
    let mut states: BTreeMap<String, (String, u64)> = BTreeMap::new();
    for one in answered {
        let request: Value = serde_json::from_slice(&one.request).unwrap();
        if one.path == "/v1/licences/issue" {
            let id = request["record"]["certificateIdentifier"].as_str().unwrap();
            let found = store.by_identifier(&Identifier::parse(id).unwrap()).unwrap();
            assert_eq!(found.expect("an issued licence").record.to_json(), request["record"]);
        } else if one.path == "/v1/licences/status" {
            let text = |name: &str| request[name].as_str().unwrap().to_owned();
            let (_, times) = states.remove(&text("identifier")).unwrap_or_default();
            states.insert(text("identifier"), (text("state"), times + 1));
        }
    }
    for (id, (state, times)) in states {
        let found = store.by_identifier(&Identifier::parse(&id).unwrap()).unwrap().unwrap();
        let history = store.history(&found.record.identifier).unwrap();
        let declared = history.iter().filter(|record| record.change_number > 0).count() as u64;
        match declared.checked_sub(times) {
            Some(0) => assert_eq!(found.status.state.word(), state, "{id}"),
            // At most the one request that was under way.
            Some(1) => assert_ne!(found.status.state.word(), state, "{id}"),
            _ => panic!("{id} was changed {times} times and has {history:?}"),
        }
    }
}

/// Every change of status stands in the log exactly once.
fn check_change_entries(entries: &[Found], last: u64) {
    let mut logged = BTreeSet::new();
    for found in entries.iter().filter(|found| found.entry.op == "status") {
        let details = found.details.as_ref().unwrap();
        if let Some(number) = details.change_number {
            assert!(logged.insert(number), "change {number} is logged twice");
        }
    }
    assert_eq!(logged, (1..=last).collect());
}

/// Counters of each partner run from 1 without gaps; the agency's last one.
fn check_counters(entries: &[Found], receipts: &[Receipt]) -> u64 {
    let mut counters: BTreeMap<&str, u64> = BTreeMap::new();
    for found in entries {
        let details = found.details.as_ref().unwrap();
        let first = found.entry.part.starts_with("1/");
        if let (Some(partner), Some(counter), true) = (&details.partner, details.counter, first) {
            let last = counters.entry(partner).or_default();
            assert_eq!(counter, *last + 1, "receipt counter of {partner}");
            *last = counter;
        }
    }
    for receipt in receipts {
        assert!(receipt.counter <= counters[receipt.aud.as_str()]);
    }
    counters["agency"]
}
