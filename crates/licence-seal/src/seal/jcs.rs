//! Canonical texts (RFC 8785 3.2.2.2) without a serialiser in between: disclosures and payloads are
//! written by the million, and only of texts. Tests hold the bytes to those of [`super::canonical`].

/// Appends a text, which is UTF-8, with its quotation marks.
pub fn text(out: &mut Vec<u8>, text: impl AsRef<[u8]>) {
    let text = text.as_ref();
    // Nearly every text has nothing to escape, and this look at all of it takes many bytes at once.
    if !text.iter().fold(false, |found, byte| found | is_escaped(*byte)) {
        return plain(out, text);
    }
    out.push(b'"');
    for piece in text.split_inclusive(|byte| is_escaped(*byte)) {
        match piece.split_last() {
            Some((last, plain)) if is_escaped(*last) => {
                out.extend_from_slice(plain);
                escape(out, *last);
            }
            _ => out.extend_from_slice(piece),
        }
    }
    out.push(b'"');
}

fn plain(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

/// Appends an array of texts.
pub fn texts(out: &mut Vec<u8>, texts: &[impl AsRef<[u8]>]) {
    out.push(b'[');
    for (at, one) in texts.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        text(out, one);
    }
    out.push(b']');
}

fn is_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        control => return out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::canonical;

    #[test]
    fn every_ascii_character_is_written_as_the_canonicaliser_does() {
        for c in '\0'..='\u{a0}' {
            let (given, mut out) = (format!("a{c}{c}津"), Vec::new());
            super::text(&mut out, &given);
            assert_eq!(out, canonical(&given).unwrap());
        }
    }

    proptest! {
        #[test]
        fn arrays_are_written_as_the_canonicaliser_does(given in proptest::collection::vec(any::<String>(), 0..4)) {
            let mut out = Vec::new();
            super::texts(&mut out, &given);
            prop_assert_eq!(out, canonical(&given).unwrap());
        }
    }
}
