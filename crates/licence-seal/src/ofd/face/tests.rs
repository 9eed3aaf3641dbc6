//! The written side: what is drawn, what stands in the package.

use super::{Shown, draw};
use crate::licence::{FieldKind, FieldValue, MmBox, Record};
use crate::ofd::page::{Object, Page, Shape};
use crate::ofd::testing::{Office, catalogue, kind, now, one_of_each};
use crate::ofd::text::{LEADING, width};
use crate::ofd::{Annotation, Limits, Package, Place, WriteError, annotated_copy, licence_ofd};

fn inside(inner: &MmBox, outer: &MmBox) -> bool {
    let slack = 0.01;
    inner.x >= outer.x - slack
        && inner.y >= outer.y - slack
        && inner.x + inner.width <= outer.x + outer.width + slack
        && inner.y + inner.height <= outer.y + outer.height + slack
}

fn apart(one: &MmBox, other: &MmBox) -> bool {
    let slack = 0.01;
    one.x + one.width <= other.x + slack
        || other.x + other.width <= one.x + slack
        || one.y + one.height <= other.y + slack
        || other.y + other.height <= one.y + slack
}

/// Text within its boundary, everything on the page, nothing that is read over something else.
fn is_well_set(page: &Page, name: &str) {
    let sheet = MmBox { x: 0.0, y: 0.0, width: page.width, height: page.height };
    let read: Vec<&Object> =
        page.body.iter().filter(|object| !matches!(object.shape, Shape::Path { .. })).collect();
    for object in &read {
        assert!(inside(&object.boundary, &sheet), "{name}: {object:?}");
        if let Shape::Text { size, start: (x, y), text, .. } = &object.shape {
            let wide = x + width(text) * size;
            assert!(wide <= object.boundary.width + 0.01, "{name}: {text} of {wide}");
            assert!(*y <= object.boundary.height && *y >= 0.9 * size, "{name}: {text}");
            assert!(size * LEADING <= object.boundary.height + 0.01, "{name}: {text}");
        }
    }
    for (at, one) in read.iter().enumerate() {
        for other in &read[at + 1..] {
            assert!(apart(&one.boundary, &other.boundary), "{name}: {one:?} and {other:?}");
        }
    }
}

fn texts(file: &[u8]) -> String {
    let package = Package::open(file, &Limits::default()).unwrap();
    let names: Vec<&str> = package.names().filter(|name| name.ends_with(".xml")).collect();
    names.iter().map(|name| std::str::from_utf8(package.get(name).unwrap()).unwrap()).collect()
}

fn business_licence() -> Record {
    let records = one_of_each();
    records.into_iter().find(|record| record.type_code.as_str() == "11100000MB0143028R001").unwrap()
}

fn annotation() -> Annotation {
    Annotation {
        made_at: now(),
        by: "天津市政务服务办公室（示例）".into(),
        purpose: "办理道路运输经营许可".into(),
        recipient: "天津市交通运输委员会（示例）".into(),
        expires: now().plus_secs(30 * 86_400),
    }
}

#[test]
fn every_type_gives_an_ofd_whose_text_stays_inside_its_boxes() {
    let office = Office::new("all types");
    let records = one_of_each();
    assert_eq!(records.len(), catalogue().len());
    for record in &records {
        let (kind, sealed) = (kind(record), office.sealed(record, &|_| true));
        let shown = Shown::of(&sealed, kind).unwrap();
        let face = draw(&shown).unwrap();
        for page in &face.drawing.pages {
            is_well_set(page, &kind.name);
        }
        let all = face.drawing.pages.iter().flat_map(|page| page.body.iter().map(|o| (page.id, o.id)));
        let all: Vec<(u32, u32)> = all.collect();
        for datum in &face.index {
            assert!(datum.objects.iter().all(|object| all.contains(object)), "{}: {}", kind.name, datum.name);
        }
        for field in kind.fields.iter().filter(|field| record.fields.contains_key(&field.name)) {
            assert!(
                face.index.iter().any(|datum| datum.name == field.short),
                "{}: {}",
                kind.name,
                field.short
            );
            let said = shown.metadata().iter().any(|(name, _)| *name == field.short);
            assert_eq!(said, field.kind != FieldKind::Image, "{}: {}", kind.name, field.short);
        }
        let unsealed = licence_ofd(&sealed, kind, now().day()).unwrap();
        let page = MmBox { x: 0.0, y: 0.0, width: 210.0, height: 297.0 };
        assert!(inside(&unsealed.seal_box, &page), "{}", kind.name);
        let package = Package::open(&unsealed.file, &Limits::default()).unwrap();
        let document = package.documents().unwrap().remove(0);
        let reachable = package.reachable(&document);
        assert!(package.names().all(|name| reachable.contains(name)), "{}", kind.name);
    }
}

#[test]
fn the_longest_values_of_every_type_stay_inside_their_boxes_or_go_onto_further_pages() {
    let office = Office::new("longest");
    for mut record in one_of_each() {
        let kind = kind(&record);
        for field in &kind.fields {
            let value = match field.kind {
                FieldKind::Image => continue,
                FieldKind::Text => FieldValue::Text("长".repeat(field.max)),
                FieldKind::List => FieldValue::List(vec!["长项".to_owned(); field.max / 2]),
                _ => FieldValue::Text("W".repeat(field.max)),
            };
            record.fields.insert(field.name.clone(), value);
        }
        let sealed = office.sealed(&record, &|_| true);
        let face = draw(&Shown::of(&sealed, kind).unwrap()).unwrap();
        for page in &face.drawing.pages {
            is_well_set(page, &kind.name);
        }
    }
}

#[test]
fn the_same_licence_gives_the_same_bytes() {
    let office = Office::new("again");
    let record = business_licence();
    let sealed = office.sealed(&record, &|_| true);
    let make = || licence_ofd(&sealed, kind(&record), now().day()).unwrap();
    assert_eq!(make(), make());
    let copy = || annotated_copy(&sealed, kind(&record), &annotation()).unwrap();
    assert_eq!(copy(), copy());
    assert_eq!(
        office.stamp(&make().file, Place::LowerRight { page: 1 }).unwrap(),
        office.stamp(&make().file, Place::LowerRight { page: 1 }).unwrap()
    );
}

#[test]
fn the_sealed_licence_goes_along_byte_for_byte() {
    let office = Office::new("attachment");
    let record = business_licence();
    let sealed = office.sealed(&record, &|_| true);
    let unsealed = licence_ofd(&sealed, kind(&record), now().day()).unwrap();
    let package = Package::open(&unsealed.file, &Limits::default()).unwrap();
    let document = package.documents().unwrap().remove(0);
    let [(name, entry)] = document.attachments.as_slice() else { panic!("{document:?}") };
    assert_eq!(name, "sealed.licence.json");
    assert_eq!(package.get(entry).unwrap(), sealed.to_bytes().unwrap());
    let said = |name: &str| {
        document.custom_data.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    };
    assert_eq!(said("ZZBS"), Some(record.identifier.as_str()));
    assert_eq!(said("ZZBH"), Some(record.number.as_str()));
    assert_eq!(said("CZZT"), Some(record.holders[0].name()));
    assert_eq!(said("CZZTDMLX"), Some("统一社会信用代码"));
}

#[test]
fn a_copy_has_the_allowed_fields_and_nothing_of_the_others() {
    let office = Office::new("copy");
    let record = business_licence();
    let allowed = ["certificateHolderName", "certificateNumber"];
    let sealed = office.sealed(&record, &|name| allowed.contains(&name));
    let copy = annotated_copy(&sealed, kind(&record), &annotation()).unwrap();
    let text = texts(&copy.file);
    for (name, value) in record.disclosed() {
        let shown = allowed.contains(&name.as_str());
        for value in value.texts() {
            // The authority's name and short codes also stand elsewhere.
            if shown || value.chars().count() > 8 && !record.number.contains(value.as_str()) {
                assert_eq!(text.contains(value.as_str()), shown, "{name}: {value}");
            }
        }
    }
    for (name, value) in [
        ("JZJZZSJ", "20261123120506"),
        ("JZJZZZ", "天津市政务服务办公室（示例）"),
        ("JZJZZSY", "办理道路运输经营许可"),
        ("JZJYXQJZSJ", "20261223120506"),
    ] {
        assert!(text.contains(&format!("<ofd:CustomData Name=\"{name}\">{value}<")), "{name}");
        assert!(text.contains(&format!("<lic:{name}><ofd:ObjectRef")), "{name}");
    }
    assert!(text.contains("仅供「天津市交通运输委员会（示例）」使用；用途：「办理道路运输经营许可」；"));
    assert!(!text.contains("Seal.esl"), "the authority's seal is not drawn");
}

#[test]
fn a_copy_says_who_may_use_it_for_what_and_until_when_or_is_not_made() {
    let office = Office::new("annotation");
    let record = business_licence();
    let sealed = office.sealed(&record, &|_| true);
    let copy = |annotation: Annotation| annotated_copy(&sealed, kind(&record), &annotation);
    for bad in [
        Annotation { purpose: " ".into(), ..annotation() },
        Annotation { recipient: String::new(), ..annotation() },
        Annotation { by: String::new(), ..annotation() },
        Annotation { purpose: "长".repeat(201), ..annotation() },
    ] {
        assert!(matches!(copy(bad), Err(WriteError::Annotation { .. })));
    }
    assert!(matches!(copy(Annotation { expires: now(), ..annotation() }), Err(WriteError::Expires)));
    let long = Annotation {
        purpose: "长".repeat(200),
        recipient: "宽".repeat(100),
        by: "大".repeat(100),
        ..annotation()
    };
    assert!(texts(&copy(long).unwrap().file).contains(&"长".repeat(20)));
}

#[test]
fn a_value_too_long_for_its_box_stands_in_full_on_a_further_page() {
    let office = Office::new("annex");
    let mut record = business_licence();
    let field = kind(&record).fields.iter().filter(|f| f.kind == FieldKind::Text).max_by_key(|f| f.max);
    let field = field.unwrap();
    let value = "长文本示例，".repeat(field.max / 6);
    record.fields.insert(field.name.clone(), FieldValue::Text(value.clone()));
    let holder = record.holders[0].clone();
    let mut long = business_licence();
    long.fields = record.fields.clone();
    // Many holders: far more than the one line of their box.
    let name = "示例控股集团股份有限公司天津分公司".repeat(10);
    long.holders = vec![crate::licence::Holder::new(&name, holder.code(), holder.code_type()).unwrap(); 1];
    let sealed = office.sealed(&long, &|_| true);
    let shown = Shown::of(&sealed, kind(&long)).unwrap();
    let face = draw(&shown).unwrap();
    assert!(face.drawing.pages.len() >= 2);
    for page in &face.drawing.pages {
        is_well_set(page, "annex");
    }
    let of = |page: &Page| -> String {
        let lines = page.body.iter().filter_map(|object| match &object.shape {
            Shape::Text { text, .. } => Some(text.as_str()),
            _ => None,
        });
        lines.collect()
    };
    assert!(of(&face.drawing.pages[0]).contains("见附页"));
    assert!(of(&face.drawing.pages[1]).contains(&name));
    let holder = face.index.iter().find(|datum| datum.name == "CZZT").unwrap();
    assert!(holder.objects.len() > 2);
}

#[test]
fn a_licence_that_is_not_whole_is_not_drawn() {
    let office = Office::new("whole");
    let record = business_licence();
    let good = office.sealed(&record, &|_| true);
    let other = one_of_each().into_iter().find(|other| other.type_code != record.type_code).unwrap();
    assert!(matches!(Shown::of(&good, kind(&other)), Err(WriteError::OtherType { .. })));
    let mut changed = good.clone();
    changed.payload.issued = changed.payload.issued.plus_days(1);
    assert!(matches!(Shown::of(&changed, kind(&record)), Err(WriteError::NotWhole(_))));
    let mut changed = good.clone();
    let elsewhere = Office::new("elsewhere").sealed(&record, &|_| true);
    changed.proof.stamp = elsewhere.proof.stamp;
    assert!(Shown::of(&changed, kind(&record)).is_ok(), "the same manifest under another seal is whole");
    let stamp = office.sealed(&other, &|_| true).proof.stamp;
    changed.proof.stamp = stamp;
    assert!(matches!(Shown::of(&changed, kind(&record)), Err(WriteError::NotWhole(_))));
    let mut changed = good;
    changed.disclosures.pop();
    changed.payload.sd.pop();
    assert!(Shown::of(&changed, kind(&record)).is_err());
}
