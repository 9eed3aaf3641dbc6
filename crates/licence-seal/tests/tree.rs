//! Whoever embeds the verifier gets no server, database, client or rasteriser with it.

use std::process::Command;

const UNWANTED: [&str; 7] = ["actix", "sled", "reqwest", "clap", "tiny-skia", "cryptoki", "tokio"];

/// Names of the packages that the crate is built from with these features.
fn tree(features: &[&str]) -> Option<Vec<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let found = Command::new(cargo)
        .args(["tree", "-p", "licence-seal", "-e", "normal", "--no-default-features", "--offline"])
        .args(["--prefix", "none"])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    match found {
        Ok(found) if found.status.success() => {
            let text = String::from_utf8_lossy(&found.stdout);
            Some(text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
        }
        Ok(found) => {
            println!("skipped: {}", String::from_utf8_lossy(&found.stderr));
            None
        }
        Err(why) => {
            println!("skipped: no cargo here: {why}");
            None
        }
    }
}

#[test]
fn a_verifier_brings_no_server_database_client_or_rasteriser() {
    let Some(packages) = tree(&[]) else { return };
    assert!(packages.iter().any(|name| name == "ring"), "{packages:?}");
    for unwanted in UNWANTED {
        let found = packages.iter().find(|name| name.starts_with(unwanted));
        assert_eq!(found, None, "{packages:?}");
    }
    // The one of them that makers do need: the list is read as it is meant.
    let Some(makers) = tree(&["--features", "make"]) else { return };
    assert!(makers.iter().any(|name| name == "tiny-skia"), "{makers:?}");
}
