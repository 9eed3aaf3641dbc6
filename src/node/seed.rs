//! What a new store begins with.

use super::error::Error;
use super::settings::NodeSettings;
use crate::accesslog::{Access, Outcome};
use crate::exchange::{Exchange, registrations};

/// Registrations and grants of the configuration go into a new store, once, and onto the log before.
pub(super) fn seed(exchange: &Exchange, settings: &NodeSettings) -> Result<(), Error> {
    const SEEDED: (&str, &str) = ("node", "seeded");
    let registry = exchange.storage.registry.as_ref();
    if registry.get(SEEDED.0, SEEDED.1)?.is_some() {
        return Ok(());
    }
    let log = |name: &str, value: serde_json::Value| {
        let mut access = Access::new("admin.seed", Outcome::Granted);
        access.details.detail.insert(name.to_owned(), value);
        exchange.log.append(access).map(|_| ())
    };
    for registration in &settings.registrations {
        log("registration", serde_json::to_value(registration)?)?;
        registrations::put_registration(registry, &exchange.registrations(), registration)
            .map_err(|why| why.detail)?;
        exchange.reload_registrations().map_err(|why| why.detail)?;
    }
    for grant in &settings.grants {
        log("grant", serde_json::to_value(grant)?)?;
        registrations::put_grant(registry, grant).map_err(|why| why.detail)?;
    }
    registry.put(SEEDED.0, SEEDED.1, &true.into())?;
    Ok(exchange.reload_registrations().map_err(|why| why.detail)?)
}
