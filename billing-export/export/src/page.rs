//! A page as a list of marks, and how wide a text is.

use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};

/// A4 in points (1/72 inch), RFC 8118 units of PDF user space.
pub(crate) const WIDTH: f32 = 595.28;
pub(crate) const HEIGHT: f32 = 841.89;
/// White border on each side.
pub(crate) const MARGIN: f32 = 51.0;
pub(crate) const LEFT: f32 = MARGIN;
pub(crate) const RIGHT: f32 = WIDTH - MARGIN;
/// Lowest baseline above the footer.
pub(crate) const BOTTOM: f32 = HEIGHT - 74.0;

pub(crate) const REGULAR: &[u8] = include_bytes!("../fonts/Roboto-Regular.ttf");
pub(crate) const BOLD: &[u8] = include_bytes!("../fonts/Roboto-Bold.ttf");
/// For what Roboto has no glyph for: Chinese and Japanese.
pub(crate) const FALLBACK: &[u8] = include_bytes!("../fonts/DroidSansFallbackFull.ttf");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    Regular,
    Bold,
}

/// A font of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typeface {
    Regular,
    Bold,
    Fallback,
}

/// A text as it can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Pieces of it, each in the font that has its glyphs.
    pub(crate) runs: Vec<(Typeface, String)>,
    /// Whether letters that no font has were written in Latin ones.
    pub(crate) is_transliterated: bool,
}

/// Where a text's x coordinate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Black,
    Grey,
    Accent,
    Pale,
}

impl Ink {
    pub(crate) const fn rgb(self) -> (u8, u8, u8) {
        match self {
            Self::Black => (0x1a, 0x1c, 0x20),
            Self::Grey => (0x5f, 0x66, 0x70),
            Self::Accent => (0x1d, 0x4e, 0x89),
            Self::Pale => (0xee, 0xf2, 0xf7),
        }
    }
}

/// How a text is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) face: Face,
    pub(crate) size: f32,
    pub(crate) ink: Ink,
    pub(crate) align: Align,
}

impl Style {
    pub(crate) const fn new(size: f32) -> Self {
        Self { face: Face::Regular, size, ink: Ink::Black, align: Align::Left }
    }

    pub(crate) const fn bold(self) -> Self {
        Self { face: Face::Bold, ..self }
    }

    pub(crate) const fn ink(self, ink: Ink) -> Self {
        Self { ink, ..self }
    }

    pub(crate) const fn right(self) -> Self {
        Self { align: Align::Right, ..self }
    }
}

/// One thing drawn; y grows downwards, a text's is its baseline.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    Text { x: f32, y: f32, style: Style, text: String },
    Rule { y: f32, from: f32, to: f32, width: f32 },
    Band { y: f32, height: f32 },
}

/// Measures texts, and chooses their fonts.
pub(crate) struct Ruler {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
    fallback: FontRef<'static>,
}

impl Ruler {
    pub(crate) fn new() -> Option<Self> {
        Some(Self {
            regular: FontRef::new(REGULAR).ok()?,
            bold: FontRef::new(BOLD).ok()?,
            fallback: FontRef::new(FALLBACK).ok()?,
        })
    }

    const fn font(&self, typeface: Typeface) -> &FontRef<'static> {
        match typeface {
            Typeface::Regular => &self.regular,
            Typeface::Bold => &self.bold,
            Typeface::Fallback => &self.fallback,
        }
    }

    /// `text` in the fonts that have its letters; those that none has in Latin letters, or as a
    /// question mark. Characters without a shape of their own are left out.
    pub(crate) fn set(&self, text: &str, face: Face) -> Setting {
        let own = match face {
            Face::Regular => Typeface::Regular,
            Face::Bold => Typeface::Bold,
        };
        if !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            // Most texts, and both fonts have these.
            return Setting { runs: vec![(own, text.to_owned())], is_transliterated: false };
        }
        let (own_map, fallback_map) = (self.font(own).charmap(), self.fallback.charmap());
        let mut setting = Setting { runs: Vec::new(), is_transliterated: false };
        for c in text.chars().filter(|&c| !is_shapeless(c)) {
            if own_map.map(c).is_some() {
                setting.put(own, c);
            } else if fallback_map.map(c).is_some() {
                setting.put(Typeface::Fallback, c);
            } else {
                setting.is_transliterated = true;
                let latin = any_ascii::any_ascii_char(c);
                let latin = if latin.is_empty() { "?" } else { latin };
                latin.chars().for_each(|c| setting.put(own, c));
            }
        }
        setting
    }

    /// Width of `text` in points, kerning left out.
    pub(crate) fn width(&self, text: &str, style: Style) -> f32 {
        let setting = self.set(text, style.face);
        setting.runs.iter().map(|(typeface, run)| self.run_width(*typeface, run, style.size)).sum()
    }

    /// Width of a piece in one font.
    pub(crate) fn run_width(&self, typeface: Typeface, run: &str, size: f32) -> f32 {
        let font = self.font(typeface);
        let metrics = font.glyph_metrics(Size::new(size), LocationRef::default());
        let charmap = font.charmap();
        let glyphs = run.chars().map(|c| charmap.map(c).unwrap_or_default());
        glyphs.map(|glyph| metrics.advance_width(glyph).unwrap_or_default()).sum()
    }

    /// `text`, shortened with an ellipsis to at most `width` points.
    pub(crate) fn fit(&self, text: &str, style: Style, width: f32) -> String {
        if self.width(text, style) <= width {
            return text.to_owned();
        }
        let mut kept: Vec<char> = text.chars().collect();
        while kept.pop().is_some() {
            let short: String = kept.iter().chain(['…'].iter()).collect();
            if self.width(&short, style) <= width {
                return short;
            }
        }
        String::new()
    }

    /// `text` broken into lines of at most `width` points: at spaces, and within a word that is
    /// longer than a line.
    pub(crate) fn wrap(&self, text: &str, style: Style, width: f32) -> Vec<String> {
        let mut lines = vec![String::new()];
        let fits = |text: &str| self.width(text, style) <= width;
        for word in text.split_whitespace() {
            let last = lines.last().map_or("", String::as_str);
            let longer = if last.is_empty() { word.to_owned() } else { format!("{last} {word}") };
            if fits(&longer) {
                lines.pop();
                lines.push(longer);
                continue;
            }
            if last.is_empty() {
                lines.pop();
            }
            let mut piece = String::new();
            for c in word.chars() {
                piece.push(c);
                if !fits(&piece) && piece.chars().nth(1).is_some() {
                    piece.pop();
                    lines.push(std::mem::replace(&mut piece, c.to_string()));
                }
            }
            lines.push(piece);
        }
        lines
    }
}

impl Setting {
    fn put(&mut self, typeface: Typeface, c: char) {
        match self.runs.last_mut() {
            Some((last, run)) if *last == typeface => run.push(c),
            Some(_) | None => self.runs.push((typeface, c.to_string())),
        }
    }
}

/// Controls, joiners and marks of direction.
fn is_shapeless(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Pages under construction: marks are added at a cursor that moves down and on to a new page.
pub(crate) struct Paper {
    pub(crate) ruler: Ruler,
    pub(crate) pages: Vec<Vec<Mark>>,
    pub(crate) y: f32,
}

impl Paper {
    pub(crate) fn new(ruler: Ruler) -> Self {
        Self { ruler, pages: vec![Vec::new()], y: MARGIN + 12.0 }
    }

    pub(crate) fn put(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    pub(crate) fn text(&mut self, x: f32, style: Style, text: impl Into<String>) {
        let y = self.y;
        self.put(Mark::Text { x, y, style, text: text.into() });
    }

    pub(crate) fn rule(&mut self, below: f32, width: f32) {
        let y = self.y + below;
        self.put(Mark::Rule { y, from: LEFT, to: RIGHT, width });
    }

    pub(crate) fn new_page(&mut self) {
        self.pages.push(Vec::new());
        self.y = MARGIN + 12.0;
    }

    /// Whether `height` more points fit above the footer.
    pub(crate) fn has_room(&self, height: f32) -> bool {
        self.y + height <= BOTTOM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_one_width() {
        let ruler = Ruler::new().expect("embedded fonts");
        for face in [Style::new(9.0), Style::new(9.0).bold()] {
            let width = ruler.width("0", face);
            assert!(width > 4.0);
            for digit in "123456789".chars() {
                assert!((ruler.width(&digit.to_string(), face) - width).abs() < 0.001);
            }
        }
    }

    #[test]
    fn each_letter_is_set_in_a_font_that_has_it() {
        let ruler = Ruler::new().expect("embedded fonts");
        let set = |text: &str| ruler.set(text, Face::Bold);
        let runs = |text: &str| set(text).runs;
        let (own, other) = (Typeface::Bold, Typeface::Fallback);
        assert_eq!(runs("Žluťoučký Ωμέγα Союз"), [(own, "Žluťoučký Ωμέγα Союз".to_owned())]);
        assert_eq!(
            runs("東京 Office 北京"),
            [(other, "東京".into()), (own, " Office ".into()), (other, "北京".into())]
        );
        for text in ["東京", "北京市朝阳区", "カンファレンス", "ひらがな", "Zürich", "•••… − – ’"]
        {
            assert!(!set(text).is_transliterated, "{text}");
        }
        // Of scripts that no font has, Latin letters remain; nothing becomes an empty box.
        let arabic = set("شركة Ltd");
        assert!(arabic.is_transliterated && arabic.runs.len() == 1, "{arabic:?}");
        assert!(arabic.runs[0].1.is_ascii() && arabic.runs[0].1.ends_with(" Ltd"), "{arabic:?}");
        assert_eq!(runs("a\u{200d}\u{7}b\u{202e}c"), [(own, "abc".to_owned())]);
        assert_eq!(set("").runs, []);
    }

    #[test]
    fn wide_letters_are_as_wide_as_their_font_says() {
        let ruler = Ruler::new().expect("embedded fonts");
        let style = Style::new(10.0);
        assert!((ruler.width("東京", style) - 20.0).abs() < 1.0, "two full squares");
    }

    #[test]
    fn long_texts_are_shortened_and_wrapped() {
        let ruler = Ruler::new().expect("embedded fonts");
        let style = Style::new(9.0);
        let text = "a conference with a very long name indeed";
        let short = ruler.fit(text, style, 60.0);
        assert!(short.ends_with('…') && ruler.width(&short, style) <= 60.0);
        let lines = ruler.wrap(text, style, 60.0);
        assert_eq!(lines.join(" "), text);
        assert!(lines.iter().all(|line| ruler.width(line, style) <= 60.0));
        let words = "Donaudampfschifffahrtsgesellschaft und 東京都千代田区丸の内一丁目九番一号";
        let lines = ruler.wrap(words, style, 60.0);
        assert_eq!(lines.concat().replace(' ', ""), words.replace(' ', ""), "{lines:?}");
        assert!(lines.iter().all(|line| ruler.width(line, style) <= 60.0), "{lines:?}");
        assert_eq!(ruler.wrap("", style, 60.0), [""]);
    }
}
