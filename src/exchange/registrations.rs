//! Registrations and grants as the running node holds them: a snapshot of journalled state.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::problem::{Problem, failed};
use super::rules;
use crate::rules::{Grant, Registration};
use crate::store::Registry;

/// Kinds of state in the registry.
const REGISTRATION: &str = "registration";
const GRANT: &str = "grant";

/// Read at start and after each change; requests in flight keep the one they began with.
#[derive(Debug, Default)]
pub struct Registrations {
    by_id: BTreeMap<String, Arc<Registration>>,
    by_certificate: BTreeMap<String, Arc<Registration>>,
    grants: BTreeMap<String, Grant>,
}

impl Registrations {
    pub fn load(registry: &dyn Registry) -> Result<Self, Problem> {
        let mut all = Self::default();
        for (id, value) in registry.list(REGISTRATION).map_err(|why| failed("registry", &why))? {
            let registration: Arc<Registration> =
                Arc::new(serde_json::from_value(value).map_err(|why| failed("registration", &why))?);
            for certificate in &registration.certificates {
                all.by_certificate.insert(certificate.clone(), Arc::clone(&registration));
            }
            all.by_id.insert(id, registration);
        }
        for (id, value) in registry.list(GRANT).map_err(|why| failed("registry", &why))? {
            let grant = serde_json::from_value(value).map_err(|why| failed("grant", &why))?;
            all.grants.insert(id, grant);
        }
        Ok(all)
    }

    pub fn by_certificate(&self, fingerprint: &[u8; 32]) -> Option<Arc<Registration>> {
        self.by_certificate.get(&hex::encode(fingerprint)).cloned()
    }

    pub fn by_id(&self, id: &str) -> Option<&Arc<Registration>> {
        self.by_id.get(id)
    }

    pub fn grant(&self, id: &str) -> Option<&Grant> {
        self.grants.get(id)
    }

    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.grants.values()
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Registration>> {
        self.by_id.values()
    }

    /// Whether one of `certificates` already stands behind another id.
    pub fn taken(&self, id: &str, certificates: &[String]) -> bool {
        certificates.iter().any(|c| self.by_certificate.get(c).is_some_and(|other| other.id != id))
    }
}

/// Stores a registration that is well formed and whose certificates stand behind no other of those `known`.
pub fn put_registration(
    registry: &dyn Registry,
    known: &Registrations,
    registration: &Registration,
) -> Result<(), Problem> {
    registration.check().map_err(|why| Problem::malformed(why.rule(), why.to_string()))?;
    if known.taken(&registration.id, &registration.certificates) {
        return Err(Problem::conflict(
            rules::REGISTRATION_CERTIFICATE,
            "a certificate stands behind another registration",
        ));
    }
    put(registry, REGISTRATION, &registration.id, registration)
}

/// Revokes a registration; what else it says stays.
pub fn revoke_registration(registry: &dyn Registry, known: &Registrations, id: &str) -> Result<(), Problem> {
    let registration = known.by_id(id).ok_or_else(|| unknown_id(rules::REGISTRATION_UNKNOWN_ID))?;
    put(registry, REGISTRATION, id, &Registration { revoked: true, ..Registration::clone(registration) })
}

/// Stores a grant that names something.
pub fn put_grant(registry: &dyn Registry, grant: &Grant) -> Result<(), Problem> {
    let named = !grant.id.is_empty() && grant.id.len() <= 64 && !grant.partner.is_empty();
    let missing = [
        grant.types.is_empty(),
        grant.fields.is_empty(),
        grant.matters.is_empty(),
        grant.operations.is_empty(),
    ];
    if !named || missing.contains(&true) {
        let detail = "a grant names its id, partner, operations, types, fields and matters; * stands for all";
        return Err(Problem::malformed(rules::GRANT_MALFORMED, detail));
    }
    put(registry, GRANT, &grant.id, grant)
}

pub fn remove_grant(registry: &dyn Registry, id: &str) -> Result<(), Problem> {
    match registry.remove(GRANT, id).map_err(|why| failed("registry", &why))? {
        true => Ok(()),
        false => Err(unknown_id(rules::GRANT_UNKNOWN)),
    }
}

fn put<T: Serialize>(registry: &dyn Registry, kind: &str, id: &str, value: &T) -> Result<(), Problem> {
    let value = serde_json::to_value(value).map_err(|why| failed("registry", &why))?;
    registry.put(kind, id, &value).map_err(|why| failed("registry", &why))
}

fn unknown_id(rule: &'static str) -> Problem {
    Problem::unknown_id(rule, "there is nothing of this id")
}
