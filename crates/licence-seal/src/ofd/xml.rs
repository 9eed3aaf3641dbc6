//! The XML of an OFD's parts, as a small tree of bounded size.
//!
//! quick-xml finds the pieces; here they are limited in number and depth, and everything that could
//! make one document read in two ways is refused: document types and entities (XML 1.0, 2.8, 4.1),
//! other encodings than UTF-8, repeated attributes, more than one root. Elements go by their local
//! names: makers use other prefixes than `ofd:`, and some none.

use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::settings::Limits;

/// How a part is not the XML that is read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum XmlError {
    #[error("not UTF-8")]
    Encoding,
    #[error("not well formed: {0}")]
    Syntax(String),
    #[error("it declares a document type; entities are not read")]
    DocumentType,
    #[error("it refers to the entity \"{0}\"")]
    Entity(String),
    #[error("nested deeper than {0}")]
    Depth(usize),
    #[error("more than {0} elements")]
    Elements(usize),
    #[error("an element has more than {0} attributes")]
    Attributes(usize),
}

/// One element: local name, attributes by local name, text of its own, children.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Element {
    pub name: String,
    attributes: Vec<(String, String)>,
    text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// Parses a part whose root element has this local name.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, XmlError> {
        let text = std::str::from_utf8(bytes).map_err(|_| XmlError::Encoding)?;
        let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
        reader.config_mut().check_end_names = true;
        let syntax = |why: &dyn std::fmt::Display| XmlError::Syntax(why.to_string());
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        let mut elements = 0_usize;
        loop {
            match reader.read_event().map_err(|why| syntax(&why))? {
                event @ (Event::Start(_) | Event::Empty(_)) => {
                    let (Event::Start(tag) | Event::Empty(tag)) = &event else { continue };
                    elements = elements.saturating_add(1);
                    if elements > limits.xml_elements {
                        return Err(XmlError::Elements(limits.xml_elements));
                    }
                    if open.len() >= limits.xml_depth {
                        return Err(XmlError::Depth(limits.xml_depth));
                    }
                    let element = Self::begin(tag, limits)?;
                    if matches!(event, Event::Start(_)) {
                        open.push(element);
                    } else {
                        close(element, &mut open, &mut root)?;
                    }
                }
                Event::End(_) => {
                    let element = open.pop().ok_or_else(|| syntax(&"an end without a beginning"))?;
                    close(element, &mut open, &mut root)?;
                }
                Event::Text(text) => add_text(&text.into_inner(), &mut open)?,
                Event::CData(text) => add_text(&text.into_inner(), &mut open)?,
                Event::GeneralRef(reference) => {
                    let name = reference.clone().into_inner();
                    let found = match reference.resolve_char_ref() {
                        Ok(Some(character)) => Some(character),
                        Ok(None) => predefined(&name),
                        Err(why) => return Err(syntax(&why)),
                    };
                    let character = found.ok_or_else(|| XmlError::Entity(name.into_owned()))?;
                    add_text(character.encode_utf8(&mut [0; 4]), &mut open)?;
                }
                Event::DocType(_) => return Err(XmlError::DocumentType),
                Event::Decl(declaration) => check_encoding(&declaration)?,
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if !open.is_empty() {
            return Err(syntax(&"it ends inside an element"));
        }
        root.ok_or_else(|| syntax(&"no element"))
    }

    fn begin(tag: &BytesStart<'_>, limits: &Limits) -> Result<Self, XmlError> {
        let mut attributes: Vec<(String, String)> = Vec::new();
        // The library's own comparison of all with all comes before any limit; ours comes after it.
        for (number, attribute) in tag.attributes().with_checks(false).enumerate() {
            if number >= limits.xml_attributes {
                return Err(XmlError::Attributes(limits.xml_attributes));
            }
            let attribute = attribute.map_err(|why| XmlError::Syntax(why.to_string()))?;
            let name: &str = attribute.key.local_name().into_inner();
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            if attributes.iter().any(|(known, _)| known == name) {
                return Err(XmlError::Syntax(format!("attribute {name} stands twice")));
            }
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|why| XmlError::Syntax(why.to_string()))?;
            attributes.push((name.to_owned(), value.into_owned()));
        }
        Ok(Self { name: tag.local_name().into_inner().to_owned(), attributes, ..Self::default() })
    }

    /// The root must have this local name.
    pub fn named(self, name: &str) -> Option<Self> {
        (self.name == name).then_some(self)
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All attribute values.
    pub fn attribute_values(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(|(_, value)| value.as_str())
    }

    /// Its own text, without white space around it.
    pub fn text(&self) -> &str {
        self.text.trim()
    }

    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Text of a child, unless there is none or it is empty.
    pub fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(Self::text).filter(|text| !text.is_empty())
    }

    /// This element and all below it.
    pub fn walk(&self, visit: &mut dyn FnMut(&Self)) {
        visit(self);
        for child in &self.children {
            child.walk(visit);
        }
    }
}

fn close(element: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None if root.is_none() => *root = Some(element),
        None => return Err(XmlError::Syntax("a second root element".to_owned())),
    }
    Ok(())
}

fn add_text(text: &str, open: &mut [Element]) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(XmlError::Syntax("text outside the root element".to_owned())),
    }
    Ok(())
}

/// The five entities of XML 1.0, 4.6.
fn predefined(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => None,
    }
}

/// Whether bytes are what a reader of XML would take for a document, in whatever encoding.
pub fn looks_like_xml(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    matches!(bytes, [b'<', ..] | [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, b'<', ..])
}

/// Local name of the first element, without reading on.
pub fn root_name(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) => {
                return Some(tag.local_name().into_inner().to_owned());
            }
            Ok(Event::Eof) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// Whether a part that is not read here would read in one way elsewhere: it is UTF-8, says nothing
/// else, and declares no document type, on whose entities what is shown could depend.
pub fn check_plain(bytes: &[u8]) -> Result<(), XmlError> {
    let text = std::str::from_utf8(bytes).map_err(|_| XmlError::Encoding)?;
    // The words also stand in comments and data; the parser says which they are.
    if declares_a_type(bytes) && !only_in_text(text) {
        return Err(XmlError::DocumentType);
    }
    let text = text.trim_start_matches('\u{feff}').trim_start();
    match Reader::from_str(text).read_event() {
        Ok(Event::Decl(declaration)) => check_encoding(&declaration),
        // What is not XML at all shows nothing.
        _ => Ok(()),
    }
}

fn check_encoding(declaration: &BytesDecl<'_>) -> Result<(), XmlError> {
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(encoding)) if is_utf8(&encoding) => Ok(()),
        Some(Ok(_)) => Err(XmlError::Encoding),
        Some(Err(why)) => Err(XmlError::Syntax(why.to_string())),
    }
}

/// UTF-8, or what is a part of it.
fn is_utf8(encoding: &str) -> bool {
    ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|name| encoding.eq_ignore_ascii_case(name))
}

/// Whether the whole text reads as XML without a document type.
fn only_in_text(text: &str) -> bool {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    loop {
        match reader.read_event() {
            Ok(Event::Eof) => return true,
            Ok(Event::DocType(_)) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}

fn declares_a_type(bytes: &[u8]) -> bool {
    let begins =
        |tag: &[u8], word: &[u8]| tag.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    // What follows each `<`; a declaration is rare, so only its first byte is looked at as a rule.
    let mut tags = bytes.split(|byte| *byte == b'<').filter(|tag| tag.first() == Some(&b'!'));
    tags.any(|tag| begins(tag, b"!DOCTYPE") || begins(tag, b"!ENTITY"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Element, XmlError> {
        Element::parse(text.as_bytes(), &Limits::default())
    }

    #[test]
    fn elements_go_by_their_local_names() {
        let text = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?><x:a xmlns:x=\"u\" ID=\"1\"> <b>t &amp; &#x4e2d;</b><b c='&lt;'/><![CDATA[<]]></x:a>";
        let root = parse(text).unwrap().named("a").unwrap();
        assert_eq!((root.attribute("ID"), root.text()), (Some("1"), "<"));
        assert_eq!(root.child_text("b"), Some("t & 中"));
        let second = root.children_named("b").nth(1).unwrap();
        assert_eq!(second.attribute_values().collect::<Vec<_>>(), ["<"]);
        assert_eq!(root.attribute_values().count(), 1);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        assert_eq!(parse("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"), Err(XmlError::DocumentType));
        assert_eq!(parse("<a>&x;</a>"), Err(XmlError::Entity("x".to_owned())));
        assert_eq!(parse("<?xml version='1.0' encoding='GBK'?><a/>"), Err(XmlError::Encoding));
        assert_eq!(Element::parse(b"<a>\xff</a>", &Limits::default()), Err(XmlError::Encoding));
        for bad in
            ["", "<a>", "<a></b>", "<a/><b/>", "x<a/>", "<a b='1' b='2'/>", "<a x:b='1' b='2'/>", "</a>"]
        {
            assert!(matches!(parse(bad), Err(XmlError::Syntax(_))), "{bad}");
        }
    }

    #[test]
    fn what_is_not_read_here_must_read_in_one_way_elsewhere() {
        for good in ["", "<!-- doctype -->", "no XML", "\u{feff}<?xml version='1.0' encoding='utf-8'?><a/>"] {
            assert_eq!(check_plain(good.as_bytes()), Ok(()), "{good}");
        }
        assert_eq!(check_plain(b"x<!doctype y"), Err(XmlError::DocumentType));
        assert_eq!(check_plain(b"<?xml version='1.0' encoding='UTF-7'?><a/>"), Err(XmlError::Encoding));
        assert_eq!(check_plain(b"\xff\xfe<\0a\0/\0>\0"), Err(XmlError::Encoding));
        for xml in
            [&b" \n<a/>"[..], b"\xef\xbb\xbf<a/>", b"\xff\xfe<\0", b"\xfe\xff\0<", b"<\0a\0", b"\0<\0a"]
        {
            assert!(looks_like_xml(xml), "{xml:?}");
        }
        for other in [&b""[..], b"\x89PNG", b"GIF89a", b"text <a/>"] {
            assert!(!looks_like_xml(other), "{other:?}");
        }
    }

    #[test]
    fn number_and_depth_are_bounded() {
        let limits = Limits { xml_depth: 3, xml_elements: 5, ..Limits::default() };
        let parse = |text: &str| Element::parse(text.as_bytes(), &limits);
        assert!(parse("<a><b><c/></b></a>").is_ok());
        assert_eq!(parse("<a><b><c><d/></c></b></a>"), Err(XmlError::Depth(3)));
        assert_eq!(parse("<a><b/><b/><b/><b/><b/></a>"), Err(XmlError::Elements(5)));
        let many: String = (0..100_000).map(|n| format!(" a{n}='1'")).collect();
        assert_eq!(parse(&format!("<a{many}/>")), Err(XmlError::Attributes(64)));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[<>/a&;!\\[\\]\"'= x?-]{0,60}") {
            let _ = parse(&text);
        }
    }
}
