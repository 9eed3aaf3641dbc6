//! A ZIP written by hand, in which every field can lie.

use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// One entry: what its own header and what the directory say of it.
#[derive(Clone)]
pub struct Entry {
    pub local: Header,
    pub listed: Header,
    pub packed: Vec<u8>,
    /// Where the directory says that it begins; without it, where it does.
    pub offset: Option<u32>,
    /// Whether the directory lists it.
    pub is_listed: bool,
    /// Bytes between its data and the next header.
    pub after: Vec<u8>,
}

#[derive(Clone)]
pub struct Header {
    pub name: Vec<u8>,
    pub flags: u16,
    pub method: u16,
    pub crc: u32,
    pub packed: u32,
    pub unpacked: u32,
    pub extra: Vec<u8>,
}

/// The whole file.
#[derive(Clone)]
pub struct Zip {
    pub before: Vec<u8>,
    pub entries: Vec<Entry>,
    pub end: End,
}

/// What the end record says, where it does not say the truth.
#[derive(Clone, Default)]
pub struct End {
    pub disk: u16,
    pub count_here: Option<u16>,
    pub count: Option<u16>,
    pub size: Option<u32>,
    pub start: Option<u32>,
    pub comment: Vec<u8>,
    /// Between the directory and the end record.
    pub before: Vec<u8>,
}

pub fn crc(data: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(data);
    crc.sum()
}

pub fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

impl Entry {
    pub fn stored(name: &str, data: &[u8]) -> Self {
        Self::of(name, data, 0, data.to_vec())
    }

    pub fn deflated(name: &str, data: &[u8]) -> Self {
        Self::of(name, data, 8, deflate(data))
    }

    fn of(name: &str, data: &[u8], method: u16, packed: Vec<u8>) -> Self {
        let header = Header {
            name: name.as_bytes().to_vec(),
            // The name is UTF-8.
            flags: 1 << 11,
            method,
            crc: crc(data),
            packed: packed.len() as u32,
            unpacked: data.len() as u32,
            extra: Vec::new(),
        };
        let (local, listed) = (header.clone(), header);
        Self { local, listed, packed, offset: None, is_listed: true, after: Vec::new() }
    }

    /// The same change of both headers.
    pub fn both(&mut self, change: impl Fn(&mut Header)) {
        change(&mut self.local);
        change(&mut self.listed);
    }

    pub fn named(mut self, name: &[u8]) -> Self {
        self.both(|header| header.name = name.to_vec());
        self
    }
}

impl Header {
    fn fields(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(20_u16.to_le_bytes());
        out.extend(self.flags.to_le_bytes());
        out.extend(self.method.to_le_bytes());
        // Midnight, 1 January 1980.
        out.extend([0, 0, 0x21, 0]);
        for number in [self.crc, self.packed, self.unpacked] {
            out.extend(number.to_le_bytes());
        }
        for text in [&self.name, &self.extra] {
            out.extend((text.len() as u16).to_le_bytes());
        }
        out
    }

    /// A local header.
    pub fn local(&self) -> Vec<u8> {
        [b"PK\x03\x04", &self.fields()[..], &self.name, &self.extra].concat()
    }
}

impl Zip {
    pub fn of<'a>(entries: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let entries = entries.into_iter().map(|(name, data)| Entry::deflated(name, data)).collect();
        Self { before: Vec::new(), entries, end: End::default() }
    }

    pub fn entry(&mut self, name: &str) -> &mut Entry {
        self.entries.iter_mut().find(|entry| entry.listed.name == name.as_bytes()).unwrap()
    }

    pub fn build(&self) -> Vec<u8> {
        let mut out = self.before.clone();
        let mut directory = Vec::new();
        let mut count = 0_u16;
        for entry in &self.entries {
            let offset = entry.offset.unwrap_or(out.len() as u32);
            out.extend(entry.local.local());
            out.extend_from_slice(&entry.packed);
            out.extend_from_slice(&entry.after);
            if entry.is_listed {
                count += 1;
                directory.extend([b"PK\x01\x02", &20_u16.to_le_bytes()[..], &entry.listed.fields()].concat());
                // Comment, disk, internal and external attributes.
                directory.extend([0; 10]);
                directory.extend(offset.to_le_bytes());
                directory.extend_from_slice(&entry.listed.name);
                directory.extend_from_slice(&entry.listed.extra);
            }
        }
        let start = out.len() as u32;
        out.extend_from_slice(&directory);
        let End { disk, count_here, count: counted, size, start: started, comment, before } = &self.end;
        out.extend_from_slice(before);
        out.extend(b"PK\x05\x06");
        for number in [*disk, 0, count_here.unwrap_or(count), counted.unwrap_or(count)] {
            out.extend(number.to_le_bytes());
        }
        for number in [size.unwrap_or(directory.len() as u32), started.unwrap_or(start)] {
            out.extend(number.to_le_bytes());
        }
        out.extend((comment.len() as u16).to_le_bytes());
        out.extend_from_slice(comment);
        out
    }
}
