//! Three cities that know each other: what the demo walks through, and what tests boot.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::lab::{City, Configuration, Listen, Peer};
use crate::node::{Error, Node, NodeSettings, RunningNode, certificate_of};
use crate::peer::{ClientIdentity, PartnerClient, PartnerSettings};
use crate::rules::{Grant, Operation, Registration, Role};
use licence_seal::crypto::{Random, Suite};
use licence_seal::evidence::DirectoryEntry;
use licence_seal::licence::Region;
use licence_seal::time::{Clock, Timestamp};

/// 事项编码 that the demo's grants name.
pub const MATTER: &str = "120000-zf-0001";

/// Three running nodes: Tianjin, Beijing, Hebei.
pub struct Cities {
    pub tianjin: RunningCity,
    pub beijing: RunningCity,
    pub hebei: RunningCity,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// One of them.
pub struct RunningCity {
    pub files: City,
    pub running: RunningNode,
}

impl Cities {
    /// Makes folders, keys, seals and registrations below `dir`, and starts the nodes.
    ///
    /// In Tianjin there are the clients `agency`, `stranger` (certificate, no registration), `gone`
    /// (certificate revoked) and `operator`; in each city there is the issuing authority `authority`,
    /// which speaks for all of the city's sample issuers.
    pub fn start(
        dir: &Path,
        suite: Suite,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, Error> {
        let now = clock.now();
        let mut cities = Vec::new();
        let mut sockets = Vec::new();
        for region in Region::ALL {
            cities.push(City::create(region, &dir.join(region.code()), suite, now, random.as_ref())?);
            sockets.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
        }
        let home = cities.first().ok_or("no city")?;
        let agency = home.client("agency", "天津市住房公积金管理中心（示例）", random.as_ref())?;
        home.client("stranger", "无登记机构（示例）", random.as_ref())?;
        let gone = home.client("gone", "证书已吊销机构（示例）", random.as_ref())?;
        home.revoke(&[&certificate_of(&gone.certificate)?])?;
        let entry = DirectoryEntry {
            id: "agency".to_owned(),
            name: "天津市住房公积金管理中心（示例）".to_owned(),
            certificates: vec![agency.fingerprint.clone()],
        };
        for city in &cities {
            city.publish_directory(if city.region == home.region {
                vec![entry.clone()]
            } else {
                Vec::new()
            })?;
        }
        let mut all = Vec::new();
        for (city, socket) in cities.iter().zip(&sockets) {
            let mut registrations = own_registrations(city, random.as_ref())?;
            if city.region == home.region {
                let agency = agency.fingerprint.clone();
                registrations.push(city.registration("agency", &entry.name, Role::Partner, agency));
                let gone = gone.fingerprint.clone();
                registrations.push(city.registration("gone", "证书已吊销机构（示例）", Role::Partner, gone));
            }
            let mut peers = Vec::new();
            for (other, at) in cities.iter().zip(&sockets).filter(|(other, _)| other.region != city.region) {
                let code = other.region.code();
                city.befriend(other)?;
                registrations.push(city.registration(
                    code,
                    other.region.name(),
                    Role::Peer,
                    other.node_fingerprint().to_owned(),
                ));
                peers.push(Peer {
                    region: code.to_owned(),
                    url: format!("https://{}", at.local_addr()?),
                    anchors: format!("certs/peer-{code}.pem"),
                });
            }
            let partner = if city.region == home.region {
                "agency".to_owned()
            } else {
                format!("{}/agency", home.region.code())
            };
            let file = city.write_configuration(&Configuration {
                region: city.region.code(),
                allow_p256_seals: suite == Suite::P256Sha256,
                listen: Listen { address: socket.local_addr()?.to_string() },
                files: Default::default(),
                peers,
                registrations,
                grants: vec![grant(&partner, now)],
            })?;
            all.push((NodeSettings::read(&file)?, socket.try_clone()?));
        }
        let mut running = Vec::new();
        for (files, (settings, socket)) in cities.into_iter().zip(all) {
            let node = Node::open(settings, Arc::clone(&clock), Arc::clone(&random))?;
            running.push(RunningCity { files, running: node.serve_on(socket)? });
        }
        let [tianjin, beijing, hebei] =
            <[RunningCity; 3]>::try_from(running).map_err(|_| "not three cities")?;
        Ok(Self { tianjin, beijing, hebei, clock, random })
    }

    /// In the order of the regions.
    pub const fn all(&self) -> [&RunningCity; 3] {
        [&self.tianjin, &self.beijing, &self.hebei]
    }

    /// A client of `city` with the identity `id` from the folder of the city `from`.
    pub fn client(&self, city: &RunningCity, from: &RunningCity, id: &str) -> Result<PartnerClient, Error> {
        let (certificate, key) = identity_files(&from.files.dir.join("clients").join(id));
        let identity = ClientIdentity { certificate: std::fs::read(certificate)?, key: std::fs::read(key)? };
        let anchors = std::fs::read(city.files.dir.join("certs/ca.pem"))?;
        let url = city.running.url();
        let settings = PartnerSettings {
            url: &url,
            anchors: &anchors,
            identity: &identity,
            id,
            region: city.files.region.code(),
            timeout: Duration::from_secs(30),
        };
        Ok(PartnerClient::new(&settings, Arc::clone(&self.clock), Arc::clone(&self.random))?)
    }

    pub fn stop(self) -> Result<(), Error> {
        for city in [self.tianjin, self.beijing, self.hebei] {
            city.running.stop()?;
        }
        Ok(())
    }
}

/// Operator, auditor and issuing authority of a city.
fn own_registrations(city: &City, random: &dyn Random) -> Result<Vec<Registration>, Error> {
    let operator = city.client("operator", "operator", random)?;
    let auditor = city.client("auditor", "auditor", random)?;
    let authority = city.client("authority", "颁发机构（示例）", random)?;
    let issuer_codes = city.issuers()?.into_iter().map(|issuer| issuer.code.to_string()).collect();
    Ok(vec![
        city.registration("operator", "operator", Role::Operator, operator.fingerprint),
        city.registration("auditor", "auditor", Role::Auditor, auditor.fingerprint),
        Registration {
            issuer_codes,
            ..city.registration("authority", "颁发机构（示例）", Role::Issuer, authority.fingerprint)
        },
    ])
}

/// The agency may search and verify all types for its matter; data is for the operator to grant.
fn grant(partner: &str, now: Timestamp) -> Grant {
    let all = || vec!["*".to_owned()];
    Grant {
        id: format!("{}-provident-fund", partner.replace('/', "-")),
        partner: partner.to_owned(),
        operations: vec![Operation::Search, Operation::Verify],
        types: all(),
        fields: all(),
        matters: vec![MATTER.to_owned()],
        from: now.plus_secs(-3600),
        until: None,
        daily_limit: Some(100_000),
        addresses: Vec::new(),
    }
}

/// An identity's files, from its path without ending.
fn identity_files(stem: &Path) -> (PathBuf, PathBuf) {
    (stem.with_extension("pem"), stem.with_extension("key.pem"))
}
