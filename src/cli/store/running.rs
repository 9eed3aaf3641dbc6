//! The same work, done by the running node.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::command::{StoreCommand, job};
use super::print;
use crate::cli::admin::{Operator, Session};
use crate::cli::progress::{ProgressLine, of_store};
use crate::node::Error;
use crate::store::Progress;

/// The first wait between two questions, and the longest: each question is an entry of the access log.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

pub(super) fn ask(
    operator: &Operator,
    config: &Path,
    command: &StoreCommand,
    out: &mut dyn Write,
) -> Result<ExitCode, Error> {
    let mut session = Session::begin(operator, config)?;
    let name = |dir: &Path| Some(dir.to_string_lossy().into_owned());
    let request = job(command, name);
    let report = request.map(|request| run(&mut session, &json!({ "startJob": request }))).transpose()?;
    match (command, report) {
        (StoreCommand::Stats { .. }, breakdown) => {
            let stats = session.ask(&json!({ "stats": {} }))?;
            let stats = stats.get("stats").ok_or("the node's answer does not read")?;
            print::report(command, stats, breakdown.as_ref(), out)
        }
        (_, Some(report)) => print::report(command, &report, None, out),
        (_, None) => {
            Err("a running node does not do this; --url is for stats, check, export, backup, rekey --salt and --data"
                .into())
        }
    }
}

/// Starts a job, waits for its end, and gives its report.
fn run(session: &mut Session, request: &Value) -> Result<Value, Error> {
    let mut line = ProgressLine::new();
    let mut answer = session.ask(request)?;
    let mut wait = FIRST_WAIT;
    loop {
        let job = answer.get("job").ok_or("the node's answer does not read")?;
        let text = |name: &str| job.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
        match text("state").as_str() {
            "running" => {}
            "done" => {
                line.clear();
                return Ok(job.get("report").cloned().unwrap_or_default());
            }
            _ => return Err(format!("the job failed ({}): {}", text("rule"), text("detail")).into()),
        }
        let progress = job.get("progress").cloned().unwrap_or_default();
        line.show(of_store(&serde_json::from_value::<Progress>(progress).unwrap_or_default()));
        std::thread::sleep(wait);
        wait = (wait * 2).min(LONGEST_WAIT);
        answer = session.ask(&json!({ "job": { "id": text("id") } }))?;
    }
}
