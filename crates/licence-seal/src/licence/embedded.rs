//! The catalogue files of `schemas/`, compiled in: the index, and one file per group.

/// Version, test authority, shared code lists, groups.
pub const INDEX: &str = include_str!("../../../../schemas/catalogue.json");

/// The types, a file per group of authorities, in the order of the index.
pub const GROUPS: [&str; 20] = [
    include_str!("../../../../schemas/public-security.json"),
    include_str!("../../../../schemas/market-regulation.json"),
    include_str!("../../../../schemas/drug-supervision.json"),
    include_str!("../../../../schemas/housing-construction.json"),
    include_str!("../../../../schemas/natural-resources.json"),
    include_str!("../../../../schemas/civil-affairs.json"),
    include_str!("../../../../schemas/human-resources.json"),
    include_str!("../../../../schemas/health.json"),
    include_str!("../../../../schemas/education.json"),
    include_str!("../../../../schemas/transport.json"),
    include_str!("../../../../schemas/taxation.json"),
    include_str!("../../../../schemas/customs.json"),
    include_str!("../../../../schemas/justice.json"),
    include_str!("../../../../schemas/ecology.json"),
    include_str!("../../../../schemas/agriculture-water.json"),
    include_str!("../../../../schemas/emergency.json"),
    include_str!("../../../../schemas/culture.json"),
    include_str!("../../../../schemas/commerce-finance.json"),
    include_str!("../../../../schemas/industry-technology.json"),
    include_str!("../../../../schemas/administrative-approval.json"),
];
