//! The names of the rules that the exchange itself gives, each once.
//!
//! They are stable: callers act on them, and `docs/api.md` lists them all, with those that lower rooms give
//! by their errors (`identifier.*`, `certificate.path.*`, `store.*` and so on).

macro_rules! rules {
    ($all:ident: $($name:ident = $text:literal;)*) => {
        $(pub const $name: &str = $text;)*

        #[cfg(test)]
        const $all: &[&str] = &[$($name),*];
    };
}

// Of answers.
rules! { ANSWERS:
    ADMIN_REASON = "admin.reason";
    CERTIFICATE_MISSING = "certificate.missing";
    CONTEXT_MISSING = "context.missing";
    FIELDS_UNKNOWN = "fields.unknown";
    FILE_BUSY = "file.busy";
    FILE_EXPIRES = "file.expires";
    FILE_KIND = "file.kind";
    FILE_NO_SEAL = "file.noSeal";
    GRANT_DAILY_LIMIT = "grant.dailyLimit";
    GRANT_FIELDS = "grant.fields";
    GRANT_MALFORMED = "grant.malformed";
    GRANT_UNKNOWN = "grant.unknown";
    HOLDER_CODE_TYPE = "holder.codeType";
    HOLDER_NAME = "holder.name";
    ISSUE_STATE = "issue.state";
    ISSUER_BINDING = "issuerBinding";
    ISSUER_OTHER = "issuer.other";
    JOB_BACKUP_NAME = "job.backupName";
    JOB_BUSY = "job.busy";
    JOB_KEEP = "job.keep";
    JOB_NO_BACKUP_DIR = "job.noBackupDir";
    JOB_STOPPING = "job.stopping";
    JOB_UNKNOWN = "job.unknown";
    LICENCE_NOT_FOUND = "licence.notFound";
    LICENCE_NOT_IN_FORCE = "licence.notInForce";
    LICENCE_WHICH = "licence.which";
    LOG_ENTRY_TOO_LARGE = "log.entryTooLarge";
    LOG_INDEX = "log.index";
    NODE_INTERNAL = "node.internal";
    NUMBER_LENGTH = "number.length";
    PEER_COPY = "peer.copy";
    PEER_FORMAT = "peer.format";
    PEER_LICENCE = "peer.licence";
    PEER_RECEIPT = "peer.receipt";
    PEER_REFUSED = "peer.refused";
    PEER_STATEMENT = "peer.statement";
    PEER_TOO_LARGE = "peer.tooLarge";
    PEER_UNAVAILABLE = "peer.unavailable";
    RATE_MINUTE = "rate.minute";
    RECORD = "record";
    REGION_EMPTY = "region.empty";
    REGION_FURTHER = "region.further";
    REGION_UNKNOWN = "region.unknown";
    REGISTRATION_CERTIFICATE = "registration.certificate";
    REGISTRATION_OWN = "registration.own";
    REGISTRATION_UNKNOWN_ID = "registration.unknownId";
    REQUEST_BODY = "request.body";
    REQUEST_JSON = "request.json";
    REQUEST_MEDIA_TYPE = "request.mediaType";
    REQUEST_TIMEOUT = "request.timeout";
    REQUEST_TOO_LARGE = "request.tooLarge";
    ROLE = "role";
    SEAL_NONE = "seal.none";
    SERVICE_UNKNOWN = "service.unknown";
    SIGNATURE_AUDIENCE = "signature.audience";
    SIGNATURE_DIRECTORY = "signature.directory";
    SIGNATURE_REPLAYED = "signature.replayed";
    SIGNATURE_REQUIRED = "signature.required";
    STATUS_REASON = "status.reason";
    STATUS_SUPERSEDED = "status.superseded";
    STATUS_UNKNOWN = "status.unknown";
    SUPERSEDES_OTHER = "supersedes.other";
    TOKEN_CLIENT = "token.client";
    TOKEN_GRANT_TYPE = "token.grantType";
    TOKEN_MISSING = "token.missing";
    TOKEN_REQUEST = "token.request";
    TYPE_UNKNOWN = "type.unknown";
    VERIFY_FAILURES = "verify.failures";
}

// Of imports and jobs, which answer nobody.
rules! { WORK:
    IMPORT_FILE = "import.file";
    IMPORT_OTHER_CONTENT = "import.otherContent";
    IMPORT_OTHER_FILE = "import.otherFile";
    IMPORT_REFUSED = "import.refused";
    JOB_PANICKED = "job.panicked";
    LINE_COLUMNS = "line.columns";
    LINE_CSV = "line.csv";
    LINE_TOO_LONG = "line.tooLong";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::{ANSWERS, WORK};

    /// Beginnings of rules that lower rooms give.
    const LOWER: [&str; 13] = [
        "certificate.",
        "registration.",
        "token.",
        "signature.",
        "grant.",
        "context.",
        "holder.",
        "uscc.",
        "citizen.",
        "identifier.",
        "record.",
        "store.",
        ".path.",
    ];

    #[test]
    fn the_list_in_the_documentation_is_this_one() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
        let text = fs::read_to_string(file).unwrap();
        let (_, list) = text.split_once("\n## Rules\n").unwrap();
        let (list, _) = list.split_once("\n## Limits\n").unwrap();
        let first_cells = list.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next());
        let listed: BTreeSet<&str> =
            first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        for rule in ANSWERS {
            assert!(listed.contains(rule), "docs/api.md does not list {rule}");
        }
        let own: BTreeSet<&str> = ANSWERS.iter().copied().collect();
        assert_eq!(own.len(), ANSWERS.len(), "a rule stands twice");
        for rule in listed {
            let lower = LOWER.iter().any(|room| rule.starts_with(room));
            assert!(lower || own.contains(rule), "nobody gives {rule}, which docs/api.md lists");
        }
    }

    /// A rule that is written out where it is given would stand twice.
    #[test]
    fn no_other_file_of_the_exchange_writes_one_of_them() {
        fn look(dir: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    look(&path, found);
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let shipped = text.split("#[cfg(test)]").next().unwrap();
                if !path.ends_with("exchange/rules.rs") {
                    let named = ANSWERS.iter().chain(WORK).filter(|rule| rule.contains('.'));
                    let named = named.filter(|rule| shipped.contains(&format!("\"{rule}\"")));
                    found.extend(named.map(|rule| format!("{}: {rule}", path.display())));
                }
            }
        }
        let mut found = Vec::new();
        for room in ["src/exchange", "src/api"] {
            look(&Path::new(env!("CARGO_MANIFEST_DIR")).join(room), &mut found);
        }
        assert!(found.is_empty(), "{found:#?}");
    }
}
