//! `seal create`: what could make a seal worthless later is refused now.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, ValueEnum};

use super::file::write_new;
use super::show;
use crate::cli::arguments::{Unechoed, day};
use crate::keys::{KeySource, SecretSource, open_signer};
use crate::node::{Error, certificate_of, certificates_of};
use licence_seal::crypto::{Signature, Signer, Suite};
use licence_seal::pki::Certificate;
use licence_seal::seal::ses::{
    CertList, Drawn, MAX_OWN_PICTURE, Picture, Seal, SealKind, SealSpec, create, draw, given,
};
use licence_seal::time::{Day, Timestamp};

/// Arguments of `seal create`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("end").required(true))]
pub struct CreateArgs {
    /// Name on the seal: the authority's
    #[arg(long)]
    name: String,
    /// The seal's own number, ASCII: 14 digits (area code and serial) or 32 hexadecimal digits are usual
    #[arg(long)]
    es_id: String,
    /// Certificate of the seal maker, PEM
    #[arg(long, value_name = "PEM")]
    maker_cert: PathBuf,
    /// The maker's key: a PKCS#8 file, plain or encrypted, or a pkcs11: URI
    #[arg(long, value_name = "KEY", value_parser = Unechoed::<KeySource>::new())]
    maker_key: KeySource,
    /// Where the passphrase of an encrypted key file is: file:PATH, env:NAME or command:PROGRAM ARG…
    #[arg(long, value_name = "SOURCE", value_parser = Unechoed::<SecretSource>::new())]
    maker_passphrase: Option<SecretSource>,
    /// Certificates of those who may sign with the seal, PEM; several times, or several in a file
    #[arg(long, required = true, value_name = "PEM")]
    owner_cert: Vec<PathBuf>,
    /// Put digests of the owners' certificates into the seal, not the certificates themselves
    #[arg(long)]
    digests: bool,
    /// Whose seal it is
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// A picture of one's own: PNG, JPEG, GIF or BMP, at most 4096 bytes. Without it a round red seal
    /// with the name is drawn
    #[arg(long, value_name = "FILE", requires_all = ["width", "height"])]
    picture: Option<PathBuf>,
    /// Width of the picture on paper, in mm
    #[arg(long, value_name = "MM", requires = "picture")]
    width: Option<u32>,
    /// Height of the picture on paper, in mm
    #[arg(long, value_name = "MM", requires = "picture")]
    height: Option<u32>,
    /// What the seal is for, drawn below the star, for example 电子证照专用章; at most 16 characters
    #[arg(long, conflicts_with = "picture")]
    lower_text: Option<String>,
    /// Days from now that the seal is valid
    #[arg(long, value_name = "N", group = "end", value_parser = clap::value_parser!(u16).range(1..=36_500))]
    valid_days: Option<u16>,
    /// Last day that the seal is valid, YYYY-MM-DD in Asia/Shanghai
    #[arg(long, value_name = "DATE", group = "end", value_parser = day)]
    valid_until: Option<Day>,
    /// A file that ends in .esl, or a folder for seal.esl; nothing is overwritten
    #[arg(long)]
    out: PathBuf,
    /// One JSON object about the seal instead of lines
    #[arg(long)]
    json: bool,
}

/// Whose seal it is.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Kind {
    /// A unit's (单位印章).
    #[default]
    Unit,
    /// A person's (个人印章).
    Person,
}

pub fn run(args: &CreateArgs, now: Timestamp, out: &mut dyn Write) -> Result<(), Error> {
    let key = open_signer(&args.maker_key, args.maker_passphrase.as_ref())
        .map_err(|why| format!("{}: {why}", args.maker_key))?;
    let maker = maker(&args.maker_cert, key.as_ref(), now)?;
    let owners = owners(&args.owner_cert, key.suite(), now)?;
    let (picture, drawn) = picture(args)?;
    let ders: Vec<&[u8]> = owners.iter().map(Certificate::der).collect();
    let spec = SealSpec {
        vendor: "licence-node".to_owned(),
        es_id: args.es_id.clone(),
        kind: match args.kind {
            Kind::Unit => SealKind::Unit,
            Kind::Person => SealKind::Person,
        },
        name: args.name.clone(),
        certs: if args.digests {
            CertList::digests(key.suite(), &ders)
        } else {
            CertList::Certificates(ders.iter().map(|der| der.to_vec()).collect())
        },
        created: now,
        valid_from: now,
        valid_until: end(args, now)?,
        picture,
    };
    let der = create(&spec, maker.der(), key.as_ref())?;
    let seal = read_back(&der, &spec, &maker)?;
    let written = write(&args.out, &der, drawn.as_ref())?;

    for certificate in owners.iter().chain([&maker]) {
        if certificate.not_after() < spec.valid_until {
            eprintln!(
                "note: the certificate of \"{}\" ends before the seal, on {}",
                certificate.subject(),
                certificate.not_after().day()
            );
        }
    }
    if key.suite() == Suite::P256Sha256 {
        eprintln!("note: suite p256-sha256: not an electronic seal (电子印章), for trying out only");
    }
    if args.json {
        return show::print(&seal, true, out);
    }
    for path in written {
        writeln!(out, "wrote {}", path.display())?;
    }
    show::print(&seal, false, out)
}

/// The last second that the seal is valid.
fn end(args: &CreateArgs, now: Timestamp) -> Result<Timestamp, Error> {
    let end = match (args.valid_until, args.valid_days) {
        (Some(day), _) => day.plus_days(1).start().plus_secs(-1),
        (None, Some(days)) => now.plus_secs(i64::from(days) * 86_400),
        (None, None) => return Err("give --valid-days or --valid-until".into()),
    };
    if end <= now { Err("the seal would be over before it begins".into()) } else { Ok(end) }
}

/// Whether the certificate is in force, and its key may sign what is not a certificate.
fn may_sign(path: &Path, certificate: &Certificate, now: Timestamp) -> Result<(), Error> {
    let unfit = |why: &str| -> Result<(), Error> {
        Err(format!("{}: the certificate of \"{}\" {why}", path.display(), certificate.subject()).into())
    };
    if now < certificate.not_before() || now > certificate.not_after() {
        return unfit("is not in force now");
    }
    // Without the extension every use is allowed (RFC 5280 4.2.1.3).
    if certificate.key_usage().is_some_and(|usage| !usage.digital_signature && !usage.non_repudiation) {
        return unfit("may not sign: neither digitalSignature nor nonRepudiation in its key usage");
    }
    if certificate.basic_constraints().is_some_and(|constraints| constraints.ca) {
        return unfit("is an authority's");
    }
    Ok(())
}

fn maker(path: &Path, key: &dyn Signer, now: Timestamp) -> Result<Certificate, Error> {
    let maker = certificate_of(path)?;
    may_sign(path, &maker, now)?;
    if maker.public_key()? != key.public_key() {
        return Err(format!("the key is not that of \"{}\"", maker.subject()).into());
    }
    Ok(maker)
}

fn owners(paths: &[PathBuf], suite: Suite, now: Timestamp) -> Result<Vec<Certificate>, Error> {
    let mut owners: Vec<Certificate> = Vec::new();
    for path in paths {
        for owner in certificates_of(path)? {
            may_sign(path, &owner, now)?;
            if owner.public_key()?.suite() != suite {
                return Err(format!(
                    "{}: the key of \"{}\" is not of the maker's suite, {suite}",
                    path.display(),
                    owner.subject()
                )
                .into());
            }
            if owners.iter().any(|other| other.der() == owner.der()) {
                return Err(format!("{}: \"{}\" is there twice", path.display(), owner.subject()).into());
            }
            owners.push(owner);
        }
    }
    Ok(owners)
}

fn picture(args: &CreateArgs) -> Result<(Picture, Option<Drawn>), Error> {
    match (&args.picture, args.width, args.height) {
        (Some(path), Some(width), Some(height)) => {
            let at = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
            let length = fs::metadata(path).map_err(|why| at(&why))?.len();
            if length > u64::try_from(MAX_OWN_PICTURE).unwrap_or_default() {
                return Err(at(&format!("{length} bytes; at most {MAX_OWN_PICTURE}")).into());
            }
            let data = fs::read(path).map_err(|why| at(&why))?;
            Ok((given(&data, width, height).map_err(|why| at(&why))?, None))
        }
        _ => {
            let drawn = draw(&args.name, args.lower_text.as_deref())?;
            Ok((drawn.picture(), Some(drawn)))
        }
    }
}

/// Reads the new seal like anybody's, and verifies it under the maker's certificate.
fn read_back(der: &[u8], spec: &SealSpec, maker: &Certificate) -> Result<Seal, Error> {
    let seal = Seal::from_der(der)?;
    seal.check_version()?;
    maker.public_key()?.verify(&seal.signed, &Signature::from_der(&seal.signature)?)?;
    let same = seal.name == spec.name
        && seal.es_id == spec.es_id
        && seal.certs == spec.certs
        && seal.picture == spec.picture
        && seal.valid_until.secs() == spec.valid_until.secs()
        && seal.maker_certificate == maker.der();
    if same { Ok(seal) } else { Err("the seal does not read back as it was made".into()) }
}

/// Writes the files; their paths.
fn write(out: &Path, der: &[u8], drawn: Option<&Drawn>) -> Result<Vec<PathBuf>, Error> {
    let esl = if out.extension().is_some_and(|ending| ending == "esl") {
        out.to_path_buf()
    } else {
        fs::create_dir_all(out).map_err(|why| format!("{}: {why}", out.display()))?;
        out.join("seal.esl")
    };
    let mut files = vec![(esl.clone(), der)];
    if let Some(drawn) = drawn {
        files.push((esl.with_extension("svg"), drawn.svg.as_bytes()));
        files.push((esl.with_extension("png"), &drawn.png));
    }
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(format!("{} is there already", path.display()).into());
    }
    for (path, bytes) in &files {
        write_new(path, bytes)?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}
