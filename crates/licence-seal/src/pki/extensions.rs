//! What the extensions of a certificate say.
//!
//! x509-parser tells them apart and reads the simple ones; names, constraints and distribution
//! points are read by this room, from the bytes as they are. An extension that is known and does
//! not parse refuses the certificate, critical or not: it cannot be meant to say nothing.

use x509_parser::extensions::{ExtendedKeyUsage as Purposes, ParsedExtension};
use x509_parser::prelude::{X509Certificate, X509Version};

use super::PkiError;
use super::asn1::{self, Fault};
use super::constraints::NameConstraints;
use super::names::{AlternativeNames, GeneralName};
use super::scope::DistributionPoint;

/// Most extensions of one certificate.
const MAX_EXTENSIONS: usize = 64;

/// `basicConstraints` (RFC 5280 4.2.1.9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BasicConstraints {
    pub ca: bool,
    pub path_len: Option<u32>,
}

/// `keyUsage` (RFC 5280 4.2.1.3), the bits that are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyUsage {
    pub digital_signature: bool,
    pub non_repudiation: bool,
    pub key_cert_sign: bool,
    pub crl_sign: bool,
}

/// `extKeyUsage` (RFC 5280 4.2.1.12), the purposes that are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtendedKeyUsage {
    pub any: bool,
    pub server_auth: bool,
    pub client_auth: bool,
    /// Critical, with `timeStamping` as its one purpose (RFC 3161 2.3).
    pub time_stamping_only: bool,
}

/// What `authorityKeyIdentifier` says beside the key (RFC 5280 4.2.1.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuthorityKeyId {
    pub key: Option<Vec<u8>>,
    /// Whether it names the issuer's certificate by its issuer or serial number too.
    pub by_certificate: bool,
}

#[derive(Default)]
pub(super) struct Extensions {
    pub basic_constraints: Option<BasicConstraints>,
    pub key_usage: Option<KeyUsage>,
    pub extended_key_usage: Option<ExtendedKeyUsage>,
    pub subject_key_id: Option<Vec<u8>>,
    pub authority_key_id: Option<AuthorityKeyId>,
    pub alternative_names: Option<AlternativeNames>,
    pub name_constraints: Option<Result<NameConstraints, Fault>>,
    pub distribution_points: Vec<DistributionPoint>,
    pub constrains_policies: bool,
    pub unknown_critical: Option<String>,
    /// Object identifiers of all that are critical.
    pub critical: Vec<String>,
}

impl Extensions {
    pub fn read(certificate: &X509Certificate<'_>) -> Result<Self, PkiError> {
        let refuse = PkiError::CertificateFormat;
        if certificate.extensions_map().is_err() {
            return Err(refuse("an extension stands there twice"));
        }
        if certificate.version() != X509Version::V3 && !certificate.extensions().is_empty() {
            return Err(refuse("extensions without version 3"));
        }
        if certificate.extensions().len() > MAX_EXTENSIONS {
            return Err(refuse("more than 64 extensions"));
        }
        let mut found = Self::default();
        for extension in certificate.extensions() {
            if extension.critical {
                found.critical.push(extension.oid.to_id_string());
            }
            if !extension.parsed_extension().unsupported() && asn1::strict(extension.value).is_err() {
                return Err(refuse("an extension that is known is not DER"));
            }
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(constraints) => {
                    found.basic_constraints = Some(BasicConstraints {
                        ca: constraints.ca,
                        path_len: constraints.path_len_constraint,
                    });
                }
                ParsedExtension::KeyUsage(usage) => {
                    found.key_usage = Some(KeyUsage {
                        digital_signature: usage.digital_signature(),
                        non_repudiation: usage.non_repudiation(),
                        key_cert_sign: usage.key_cert_sign(),
                        crl_sign: usage.crl_sign(),
                    });
                }
                ParsedExtension::ExtendedKeyUsage(usage) => {
                    found.extended_key_usage = Some(ExtendedKeyUsage {
                        any: usage.any,
                        server_auth: usage.server_auth,
                        client_auth: usage.client_auth,
                        time_stamping_only: extension.critical && only_time_stamping(usage),
                    });
                }
                ParsedExtension::SubjectKeyIdentifier(id) => found.subject_key_id = Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    found.authority_key_id = Some(AuthorityKeyId {
                        key: id.key_identifier.as_ref().map(|id| id.0.to_vec()),
                        by_certificate: id.authority_cert_issuer.is_some()
                            || id.authority_cert_serial.is_some(),
                    });
                }
                ParsedExtension::NameConstraints(_) => {
                    found.name_constraints = Some(NameConstraints::read(extension.value));
                }
                ParsedExtension::SubjectAlternativeName(_) => {
                    let names = GeneralName::read_all(extension.value)?;
                    found.alternative_names = Some(AlternativeNames { critical: extension.critical, names });
                }
                ParsedExtension::CRLDistributionPoints(_) => {
                    found.distribution_points =
                        DistributionPoint::read_all(extension.value, certificate.issuer().as_raw())?;
                }
                ParsedExtension::PolicyConstraints(_) => found.constrains_policies = true,
                // Without policy constraints every policy is acceptable (RFC 5280 6.1.5 g).
                ParsedExtension::CertificatePolicies(_)
                | ParsedExtension::PolicyMappings(_)
                | ParsedExtension::InhibitAnyPolicy(_) => {}
                ParsedExtension::ParseError { .. } => {
                    return Err(refuse("an extension that is known does not parse"));
                }
                _ if extension.critical => {
                    found.unknown_critical.get_or_insert(extension.oid.to_id_string());
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

fn only_time_stamping(usage: &Purposes<'_>) -> bool {
    let others = [
        usage.any,
        usage.server_auth,
        usage.client_auth,
        usage.code_signing,
        usage.email_protection,
        usage.ocsp_signing,
        !usage.other.is_empty(),
    ];
    usage.time_stamping && !others.contains(&true)
}
