//! `ofd make|copy|seal`: a licence as an OFD, an annotated copy of one, and a signature on any OFD.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::arguments::{Unechoed, day};

use crate::keys::{KeySource, SecretSource, open_signer};
use crate::node::{Error, certificate_of};
use licence_seal::licence::{Catalogue, LicenceType};
use licence_seal::ofd::{
    Annotation, Limits, Mark, Place, Signing, Unsealed, annotated_copy, licence_ofd, sign,
};
use licence_seal::seal::SealedLicence;
use licence_seal::time::{Day, Timestamp};

#[derive(Debug, Subcommand)]
pub enum OfdCommand {
    /// Draw a sealed licence as an OFD and seal it
    Make(MakeArgs),
    /// Draw an annotated copy (加注件) of a sealed licence and seal it
    Copy(CopyArgs),
    /// Add a signature to an OFD file
    Seal(SealArgs),
}

#[derive(Debug, Args)]
pub struct MakeArgs {
    /// Sealed licence (.licence.json)
    licence: PathBuf,
    #[command(flatten)]
    sealing: SealingArgs,
}

#[derive(Debug, Args)]
pub struct CopyArgs {
    /// Sealed licence (.licence.json), cut to the fields that may be shown
    licence: PathBuf,
    /// What the copy may be used for
    #[arg(long)]
    purpose: String,
    /// Who may use it
    #[arg(long)]
    recipient: String,
    /// Last day on which it may be used, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = day)]
    expires: Day,
    /// Who makes it
    #[arg(long, value_name = "NAME")]
    by: String,
    #[command(flatten)]
    sealing: SealingArgs,
}

#[derive(Debug, Args)]
pub struct SealArgs {
    /// OFD file
    file: PathBuf,
    /// Seal (.esl)
    #[arg(long, required_unless_present = "plain")]
    seal: Option<PathBuf>,
    #[command(flatten)]
    signer: SignerArgs,
    /// Page of the seal, from 1
    #[arg(long, default_value_t = 1, value_name = "N")]
    page: usize,
    /// Upper left corner of the seal, millimetres from the page's; without it, lower right
    #[arg(long, value_name = "X,Y", value_parser = corner, allow_hyphen_values = true)]
    at: Option<(f32, f32)>,
    /// A slice of the seal at the right edge of each page (骑缝)
    #[arg(long, conflicts_with_all = ["page", "at"])]
    straddle: bool,
    /// No seal: a plain digital signature
    #[arg(long, conflicts_with_all = ["seal", "page", "at", "straddle"])]
    plain: bool,
    /// Cover the list of signatures, so that no other can follow
    #[arg(long)]
    lock: bool,
}

#[derive(Debug, Args)]
struct SealingArgs {
    /// Seal (.esl)
    #[arg(long)]
    seal: PathBuf,
    #[command(flatten)]
    signer: SignerArgs,
}

#[derive(Debug, Args)]
struct SignerArgs {
    /// The signer's certificate, PEM
    #[arg(long, value_name = "PEM")]
    cert: PathBuf,
    /// The signer's private key: PKCS#8 in PEM, plain or encrypted, or a pkcs11: URI
    #[arg(long, value_name = "KEY", value_parser = Unechoed::<KeySource>::new())]
    key: KeySource,
    /// Where the passphrase of an encrypted key file is: file:PATH, env:NAME or command:PROGRAM ARG…
    #[arg(long, value_name = "SOURCE", value_parser = Unechoed::<SecretSource>::new())]
    passphrase: Option<SecretSource>,
    /// OFD file to write; a file that is there is not overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn corner(text: &str) -> Result<(f32, f32), String> {
    let number = |text: &str| text.trim().parse::<f32>().ok().filter(|number| number.is_finite());
    let pair = text.split_once(',').and_then(|(x, y)| Some((number(x)?, number(y)?)));
    pair.ok_or_else(|| "two numbers with a comma between, as 140,230".to_owned())
}

/// Runs the command at `now`.
pub fn run(command: &OfdCommand, now: Timestamp, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let written = match command {
        OfdCommand::Make(args) => {
            let (sealed, kind) = licence(&args.licence)?;
            let drawn = licence_ofd(&sealed, kind, now.day())?;
            seal_drawn(&drawn, &args.sealing, now)?
        }
        OfdCommand::Copy(args) => {
            let (sealed, kind) = licence(&args.licence)?;
            let annotation = Annotation {
                made_at: now,
                by: args.by.clone(),
                purpose: args.purpose.clone(),
                recipient: args.recipient.clone(),
                expires: args.expires.plus_days(1).start().plus_secs(-1),
            };
            seal_drawn(&annotated_copy(&sealed, kind, &annotation)?, &args.sealing, now)?
        }
        OfdCommand::Seal(args) => {
            let seal = args.seal.as_deref().map(read).transpose()?;
            let place = match (args.straddle, args.at) {
                (true, _) => Place::Straddle,
                (false, Some((x, y))) => Place::At { page: args.page, x, y },
                (false, None) => Place::LowerRight { page: args.page },
            };
            let mark = match &seal {
                Some(seal) => Mark::Stamp { seal, place, time_stamp: None },
                None => Mark::Plain,
            };
            args.signer.write(&read(&args.file)?, mark, args.lock, now)?
        }
    };
    writeln!(out, "{}", written.display())?;
    Ok(ExitCode::SUCCESS)
}

fn seal_drawn<'a>(drawn: &Unsealed, args: &'a SealingArgs, now: Timestamp) -> Result<&'a Path, Error> {
    let seal = read(&args.seal)?;
    let place = Place::Within { page: 1, area: drawn.seal_box };
    args.signer.write(&drawn.file, Mark::Stamp { seal: &seal, place, time_stamp: None }, false, now)
}

impl SignerArgs {
    /// Signs `file` and writes the result.
    fn write(&self, file: &[u8], mark: Mark<'_>, lock: bool, now: Timestamp) -> Result<&Path, Error> {
        let certificate = certificate_of(&self.cert)?;
        let key =
            open_signer(&self.key, self.passphrase.as_ref()).map_err(|why| format!("{}: {why}", self.key))?;
        let signing = Signing { certificate: certificate.der(), signer: key.as_ref(), mark, at: now, lock };
        let signed = sign(file, &signing, &Limits::default())?;
        // Never over a file that is there: it may be the licence itself.
        let at = |why: std::io::Error| format!("{}: {why}", self.out.display());
        let mut out = std::fs::File::options().write(true).create_new(true).open(&self.out).map_err(at)?;
        out.write_all(&signed).and_then(|()| out.sync_all()).map_err(at)?;
        Ok(&self.out)
    }
}

fn licence(path: &Path) -> Result<(SealedLicence, &'static LicenceType), Error> {
    let sealed = SealedLicence::parse(&read(path)?).map_err(|why| format!("{}: {why}", path.display()))?;
    let code = &sealed.payload.type_code;
    let kind =
        Catalogue::embedded()?.find(code).ok_or_else(|| format!("type {code} is not in the catalogue"))?;
    Ok((sealed, kind))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|why| format!("{}: {why}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: OfdCommand,
    }

    #[test]
    fn a_place_is_either_on_a_page_or_over_all_and_a_plain_signature_has_none() {
        let parse = |line: &str| Line::try_parse_from(line.split(' ')).map(|line| line.command);
        let key = "--cert c --key k --out o";
        for good in ["--seal s", "--seal s --page 2 --at 1.5,20", "--seal s --straddle --lock", "--plain"] {
            assert!(parse(&format!("x seal f.ofd {good} {key}")).is_ok(), "{good}");
        }
        for bad in [
            "",
            "--plain --seal s",
            "--plain --straddle",
            "--seal s --straddle --at 1,2",
            "--seal s --straddle --page 2",
            "--seal s --at 1",
            "--seal s --at 1,x",
            "--seal s --at 1,inf",
        ] {
            assert!(parse(&format!("x seal f.ofd {bad} {key}")).is_err(), "{bad}");
        }
        let copy = "x copy l --purpose p --recipient r --by b --seal s --cert c --key k --out o --expires";
        assert!(
            parse(&format!("{copy} 2026-12-31")).is_ok() && parse(&format!("{copy} 2026-13-01")).is_err()
        );
    }
}
