//! Registrations and grants as the running node holds them: a snapshot of journalled state.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::problem::Problem;
use crate::rules::{Grant, Registration};
use crate::store::Registry;

/// Kinds of state in the registry.
pub const REGISTRATION: &str = "registration";
pub const GRANT: &str = "grant";

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
        for (id, value) in registry.list(REGISTRATION).map_err(|why| super::failed("registry", &why))? {
            let registration: Arc<Registration> =
                Arc::new(serde_json::from_value(value).map_err(|why| super::failed("registration", &why))?);
            for certificate in &registration.certificates {
                all.by_certificate.insert(certificate.clone(), Arc::clone(&registration));
            }
            all.by_id.insert(id, registration);
        }
        for (id, value) in registry.list(GRANT).map_err(|why| super::failed("registry", &why))? {
            let grant = serde_json::from_value(value).map_err(|why| super::failed("grant", &why))?;
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
