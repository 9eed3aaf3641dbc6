//! How much of a file is looked at.

/// Limits on an OFD file. The defaults let every real document through and stop a bomb early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The file itself, bytes.
    pub file: usize,
    /// Entries of the package.
    pub entries: usize,
    /// One entry, unpacked, bytes.
    pub entry: usize,
    /// All entries together, unpacked, bytes.
    pub total: usize,
    /// Unpacked to packed size of an entry of more than 1 MiB.
    pub ratio: usize,
    /// Elements of one XML part.
    pub xml_elements: usize,
    /// Nesting of one XML part.
    pub xml_depth: usize,
    /// Attributes of one XML element.
    pub xml_attributes: usize,
    /// Documents of a file.
    pub documents: usize,
    /// Signatures of a file.
    pub signatures: usize,
}

/// Below this, unpacked, a ratio says nothing: ten kilobytes of spaces are no bomb.
pub const RATIO_FLOOR: usize = 1 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            file: 20 << 20,
            entries: 4096,
            entry: 64 << 20,
            total: 128 << 20,
            ratio: 200,
            xml_elements: 100_000,
            xml_depth: 64,
            xml_attributes: 64,
            documents: 16,
            signatures: 64,
        }
    }
}
