//! A generated record as a line of JSON, without the record.
//!
//! The same text as that of [`Record::to_json`](crate::licence::Record::to_json), which a test
//! holds it to: members in the order of their names. Building a record and a JSON tree for each
//! line took as long again as making what stands in it.

use std::io::{self, Write};

use super::Made;
use super::faces::Face;
use crate::licence::holder::Holder;

impl Made<'_> {
    /// Appends the line, with its end.
    pub fn write_line(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let mut members = Members { out, first: true };
        members.text("certificateAreaCode", self.area_code)?;
        let issued = self.issued.to_string();
        members.text("certificateEffectiveDate", &issued)?;
        if let Some(until) = self.valid_until {
            members.text("certificateExpiringDate", &until.to_string())?;
        }
        members.holders("certificateHolderCode", &self.holders, Holder::code)?;
        members.holders("certificateHolderName", &self.holders, Holder::name)?;
        members.holders("certificateHolderTypeCode", &self.holders, |holder| holder.code_type().code())?;
        members.text("certificateIdentifier", self.identifier.as_str())?;
        members.text("certificateIssuedDate", &issued)?;
        members.text("certificateIssuingAuthorityCode", self.kind.issuer.code.as_str())?;
        members.text("certificateIssuingAuthorityName", &self.kind.issuer.name)?;
        members.text("certificateNumber", &self.number)?;
        members.text("certificateState", self.state.word())?;
        members.text("certificateTypeCode", self.kind.licence_type.code.as_str())?;
        members.name("fields")?;
        let mut fields = Members { out: members.out, first: true };
        for (name, face) in &self.faces {
            match face {
                Face::Text(text) => fields.text(name, text)?,
                Face::List(items) => fields.list(name, items.iter().map(String::as_str))?,
            }
        }
        fields.end()?;
        if let Some(older) = &self.supersedes {
            members.text("supersedes", older.as_str())?;
        }
        members.end()?;
        members.out.write_all(b"\n")
    }
}

/// An object that is being written.
struct Members<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Members<'_> {
    fn name(&mut self, name: &str) -> io::Result<()> {
        self.out.write_all(if self.first { b"{" } else { b"," })?;
        self.first = false;
        serde_json::to_writer(&mut *self.out, name)?;
        self.out.write_all(b":")
    }

    fn text(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.name(name)?;
        Ok(serde_json::to_writer(&mut *self.out, text)?)
    }

    fn list<'t>(&mut self, name: &str, texts: impl Iterator<Item = &'t str>) -> io::Result<()> {
        self.name(name)?;
        let mut before: &[u8] = b"[";
        for text in texts {
            self.out.write_all(before)?;
            serde_json::to_writer(&mut *self.out, text)?;
            before = b",";
        }
        if before == b"[" {
            self.out.write_all(before)?;
        }
        self.out.write_all(b"]")
    }

    /// One holder is a text, several are a list.
    fn holders<'t>(
        &mut self,
        name: &str,
        holders: &'t [Holder],
        what: impl Fn(&'t Holder) -> &'t str,
    ) -> io::Result<()> {
        match holders {
            [one] => self.text(name, what(one)),
            several => self.list(name, several.iter().map(what)),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.write_all(if self.first { b"{}" } else { b"}" })
    }
}
