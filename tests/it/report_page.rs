//! A clerk reads the report as a page, and prints it: in a real browser, without a network.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::child::{Ran, program};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/sm2-sm3");
/// When the golden files are good.
const AT: &str = "2026-11-23T13:05:06+08:00";
/// Colours of the bar beside the verdict.
const GREEN: [u8; 3] = [0x1b, 0x7f, 0x3b];
const RED: [u8; 3] = [0xb3, 0x26, 0x1e];

fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    if found.is_none() {
        println!("skipped: no Chromium here");
    }
    found
}

/// Runs the browser on a file, in a profile of its own.
fn open(browser: &str, dir: &Path, page: &Path, words: &[&str]) -> String {
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", dir.join("profile").display()))
        .arg("--window-size=900,1400")
        .args(words)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The report on a file as a page.
fn report(dir: &Path, file: &Path, code: i32) -> PathBuf {
    let mut command = program();
    command.args(["verify", "--report", "html", "--at", AT, "--trust"]).arg(Path::new(GOLDEN).join("trust"));
    let ran = Ran::of(command.arg(file).output().unwrap());
    assert_eq!(ran.code, Some(code), "{}", ran.err);
    let page = dir.join(format!("{code}.html"));
    std::fs::write(&page, ran.out).unwrap();
    page
}

/// How many pixels of a screenshot have this colour.
fn pixels(picture: &Path, colour: [u8; 3]) -> usize {
    let mut decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(picture).unwrap()));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().unwrap();
    let mut data = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut data).unwrap();
    let width = info.color_type.samples();
    data.chunks_exact(width).filter(|pixel| pixel[..3] == colour).count()
}

#[test]
fn a_clerk_sees_the_verdict_its_checks_and_the_next_step_and_prints_them() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let good = Path::new(GOLDEN).join("licence-0.licence.json");
    let text = std::fs::read_to_string(&good).unwrap();
    let forged = dir.path().join("forged.licence.json");
    std::fs::write(&forged, text.replacen("\"index\":0", "\"index\":1", 1)).unwrap();

    for (file, code, words, colour, other) in [
        (good.as_path(), 0, ["有效", "证照状态", "信任锚"], GREEN, RED),
        (forged.as_path(), 1, ["无效", "下一步", "不要采信"], RED, GREEN),
    ] {
        let page = report(dir.path(), file, code);
        let shown = open(browser, dir.path(), &page, &["--dump-dom"]);
        for word in words.into_iter().chain(["ETSI EN 319 102-1", "GB/T 38540-2020 7.3"]) {
            assert!(shown.contains(word), "{word}");
        }
        assert!(!shown.contains("<script") && !shown.contains("http:") && !shown.contains("https:"));

        let picture = dir.path().join("page.png");
        open(browser, dir.path(), &page, &[&format!("--screenshot={}", picture.display())]);
        // The bar beside the verdict is some 9 by 60 pixels; marks of checks are letters.
        let (wanted, unwanted) = (pixels(&picture, colour), pixels(&picture, other));
        assert!(wanted > 400 && wanted > unwanted, "{code}: {wanted} {unwanted}");

        let paper = dir.path().join("page.pdf");
        open(
            browser,
            dir.path(),
            &page,
            &["--no-pdf-header-footer", &format!("--print-to-pdf={}", paper.display())],
        );
        assert!(std::fs::read(&paper).unwrap().starts_with(b"%PDF-"));
    }
}
