//! Shapes made of lines and curves, filled by the non-zero rule.

use std::f32::consts::PI;

/// How far a circle's control points stand off, as a share of the radius, for four cubics.
const KAPPA: f32 = 0.552_284_8;

/// One step of a path; points are [x, y].
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Segment {
    Move([f32; 2]),
    Line([f32; 2]),
    Quad([f32; 2], [f32; 2]),
    Cubic([f32; 2], [f32; 2], [f32; 2]),
    Close,
}

/// A shape. A contour that turns the other way inside another is a hole.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Path(Vec<Segment>);

/// x' = a·x + c·y + e, y' = b·x + d·y + f.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Affine([f32; 6]);

impl Affine {
    pub const fn translate(x: f32, y: f32) -> Self {
        Self([1.0, 0.0, 0.0, 1.0, x, y])
    }

    pub const fn scale(x: f32, y: f32) -> Self {
        Self([x, 0.0, 0.0, y, 0.0, 0.0])
    }

    /// Clockwise (y runs down), in degrees, about the origin.
    pub fn rotate(degrees: f32) -> Self {
        let (sin, cos) = (degrees * PI / 180.0).sin_cos();
        Self([cos, sin, -sin, cos, 0.0, 0.0])
    }

    /// This one first, then `next`.
    pub fn then(self, next: Self) -> Self {
        let Self([a, b, c, d, e, f]) = self;
        let (x, y, o) = (next.vector(a, b), next.vector(c, d), next.point([e, f]));
        let ([a, b], [c, d], [e, f]) = (x, y, o);
        Self([a, b, c, d, e, f])
    }

    fn vector(self, x: f32, y: f32) -> [f32; 2] {
        let Self([a, b, c, d, ..]) = self;
        [a * x + c * y, b * x + d * y]
    }

    pub fn point(self, [x, y]: [f32; 2]) -> [f32; 2] {
        let Self([a, b, c, d, e, f]) = self;
        [a * x + c * y + e, b * x + d * y + f]
    }
}

impl Path {
    pub fn move_to(&mut self, x: f32, y: f32) {
        self.0.push(Segment::Move([x, y]));
    }

    pub fn line_to(&mut self, x: f32, y: f32) {
        self.0.push(Segment::Line([x, y]));
    }

    pub fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.0.push(Segment::Quad([x1, y1], [x, y]));
    }

    pub fn cubic_to(&mut self, one: [f32; 2], two: [f32; 2], to: [f32; 2]) {
        self.0.push(Segment::Cubic(one, two, to));
    }

    pub fn close(&mut self) {
        self.0.push(Segment::Close);
    }

    /// A ring about a centre.
    pub fn ring([x, y]: [f32; 2], outer: f32, inner: f32) -> Self {
        let mut path = Self::default();
        for (radius, turn) in [(outer, 1.0), (inner, -1.0)] {
            let (k, r) = (KAPPA * radius, radius);
            let at = |dx: f32, dy: f32| [x + dx, y + dy * turn];
            path.move_to(x + r, y);
            path.cubic_to(at(r, k), at(k, r), at(0.0, r));
            path.cubic_to(at(-k, r), at(-r, k), at(-r, 0.0));
            path.cubic_to(at(-r, -k), at(-k, -r), at(0.0, -r));
            path.cubic_to(at(k, -r), at(r, -k), at(r, 0.0));
            path.close();
        }
        path
    }

    /// A five-pointed star, one point up.
    pub fn star([x, y]: [f32; 2], radius: f32) -> Self {
        // Where the sides of the pentagram cross: radius / φ².
        let inner = radius * 0.381_966;
        let mut path = Self::default();
        for corner in 0_u8..10 {
            let (r, angle) = (if corner % 2 == 0 { radius } else { inner }, f32::from(corner) * PI / 5.0);
            let (px, py) = (x + r * angle.sin(), y - r * angle.cos());
            if corner == 0 { path.move_to(px, py) } else { path.line_to(px, py) }
        }
        path.close();
        path
    }

    pub fn push(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    pub fn transformed(&self, by: &Affine) -> Self {
        let segment = |segment: &Segment| match *segment {
            Segment::Move(to) => Segment::Move(by.point(to)),
            Segment::Line(to) => Segment::Line(by.point(to)),
            Segment::Quad(one, to) => Segment::Quad(by.point(one), by.point(to)),
            Segment::Cubic(one, two, to) => Segment::Cubic(by.point(one), by.point(two), by.point(to)),
            Segment::Close => Segment::Close,
        };
        Self(self.0.iter().map(segment).collect())
    }

    /// Left, top, right, bottom of all points, control points too; `None` of an empty path.
    pub fn bounds(&self) -> Option<[f32; 4]> {
        let points = self.0.iter().flat_map(|segment| match *segment {
            Segment::Move(to) | Segment::Line(to) => vec![to],
            Segment::Quad(one, to) => vec![one, to],
            Segment::Cubic(one, two, to) => vec![one, two, to],
            Segment::Close => Vec::new(),
        });
        points.fold(None, |bounds, [x, y]| {
            let [left, top, right, bottom] = bounds.unwrap_or([x, y, x, y]);
            Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_stand_where_they_are_put() {
        let near = |bounds: Option<[f32; 4]>, wanted: [f32; 4]| {
            bounds.unwrap().iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-3)
        };
        assert!(near(Path::ring([5.0, 6.0], 3.0, 2.0).bounds(), [2.0, 3.0, 8.0, 9.0]));
        let star = Path::star([0.0, 0.0], 1.0);
        assert_eq!(star.segments().len(), 11);
        assert!(near(star.bounds(), [-0.951, -1.0, 0.951, 0.809]));
        // A quarter turn clockwise takes up to right.
        let turned = Affine::translate(0.0, -1.0).then(Affine::rotate(90.0)).point([0.0, 0.0]);
        assert!((turned[0] - 1.0).abs() < 1e-6 && turned[1].abs() < 1e-6, "{turned:?}");
        assert_eq!(Path::default().bounds(), None);
    }
}
