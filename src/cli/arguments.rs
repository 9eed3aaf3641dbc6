//! Arguments and parsers that several commands share.

use std::path::PathBuf;

use clap::Args;

use licence_seal::time::Day;

/// `--config FILE`
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The node's configuration file
    #[arg(long)]
    pub config: PathBuf,
}

/// Parses a value that may hold a secret by mistake: an error names the rule and never the value.
#[derive(Clone, Copy)]
pub struct Unechoed<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Unechoed<T> {
    pub const fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<T> Default for Unechoed<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> clap::builder::TypedValueParser for Unechoed<T>
where
    T: std::str::FromStr<Err: std::fmt::Display> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<T, clap::Error> {
        let name = argument.map(ToString::to_string).unwrap_or_default();
        let error = |why: String| {
            let text = format!("{name}: {why}\n");
            clap::Error::raw(clap::error::ErrorKind::ValueValidation, text).with_cmd(command)
        };
        let text = value.to_str().ok_or_else(|| error("not UTF-8".to_owned()))?;
        text.parse().map_err(|why: T::Err| error(why.to_string()))
    }
}

/// Parses an argument that is a day.
pub fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| "not a day that exists, written YYYY-MM-DD".to_owned())
}
