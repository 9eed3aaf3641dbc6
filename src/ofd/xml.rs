//! The XML of an OFD's parts, as a small tree of bounded size.
//!
//! quick-xml finds the pieces; here they are limited in number and depth, and everything that could
//! make one document read in two ways is refused: document types and entities (XML 1.0, 2.8, 4.1),
//! other encodings than UTF-8, repeated attributes, more than one root. Elements go by their local
//! names: makers use other prefixes than `ofd:`, and some none.

use quick_xml::events::{BytesStart, Event};
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
                    let element = Self::begin(tag)?;
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
                Event::Decl(declaration) => {
                    if let Some(encoding) = declaration.encoding() {
                        let encoding = encoding.map_err(|why| syntax(&why))?;
                        if !encoding.eq_ignore_ascii_case("utf-8") {
                            return Err(XmlError::Encoding);
                        }
                    }
                }
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if !open.is_empty() {
            return Err(syntax(&"it ends inside an element"));
        }
        root.ok_or_else(|| syntax(&"no element"))
    }

    fn begin(tag: &BytesStart<'_>) -> Result<Self, XmlError> {
        let mut attributes: Vec<(String, String)> = Vec::new();
        for attribute in tag.attributes() {
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

/// Whether a part declares a document type: nothing that is shown may depend on one.
pub fn declares_a_type(bytes: &[u8]) -> bool {
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
        assert!(declares_a_type(b"x<!doctype y") && !declares_a_type(b"<!-- doctype -->"));
    }

    #[test]
    fn number_and_depth_are_bounded() {
        let limits = Limits { xml_depth: 3, xml_elements: 5, ..Limits::default() };
        let parse = |text: &str| Element::parse(text.as_bytes(), &limits);
        assert!(parse("<a><b><c/></b></a>").is_ok());
        assert_eq!(parse("<a><b><c><d/></c></b></a>"), Err(XmlError::Depth(3)));
        assert_eq!(parse("<a><b/><b/><b/><b/><b/></a>"), Err(XmlError::Elements(5)));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[<>/a&;!\\[\\]\"'= x?-]{0,60}") {
            let _ = parse(&text);
        }
    }
}
