//! Pages of marks as a PDF file.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use krilla::Document;
use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::text::{Font, TextDirection};
use partyline_billing::Invoice;

use crate::page::{
    Align, BOLD, FALLBACK, HEIGHT, Ink, LEFT, Mark, REGULAR, RIGHT, Ruler, Style, Typeface, WIDTH,
};
use crate::sheet;

/// Why no PDF came out. Neither depends on the invoice's content.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PdfError {
    /// The embedded fonts cannot be read.
    #[error("the embedded fonts cannot be read; the program file is damaged")]
    Fonts,
    /// The PDF writer refused the pages.
    #[error("the PDF writer refused the invoice: {0:?}")]
    Writer(krilla::error::KrillaError),
}

/// A PDF and what could not be printed in it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// The file.
    pub bytes: Vec<u8>,
    /// Texts with letters that no font of the program has: they stand in Latin letters there.
    pub transliterated: BTreeSet<String>,
}

/// `invoice` as an A4 PDF, fonts embedded; the same invoice gives the same bytes.
///
/// # Errors
/// [`PdfError`].
pub fn invoice(invoice: &Invoice) -> Result<Printed, PdfError> {
    let font = |bytes: &[u8]| Font::new(bytes.to_vec().into(), 0).ok_or(PdfError::Fonts);
    let pen = Pen {
        ruler: Ruler::new().ok_or(PdfError::Fonts)?,
        regular: font(REGULAR)?,
        bold: font(BOLD)?,
        fallback: OnceCell::new(),
    };
    let mut pages = sheet::pages(invoice, Ruler::new().ok_or(PdfError::Fonts)?);
    footers(&mut pages, invoice);
    let mut document = Document::new();
    let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or(PdfError::Fonts)?;
    let mut transliterated = BTreeSet::new();
    for marks in &pages {
        let mut page = document.start_page_with(settings.clone());
        let mut surface = page.surface();
        for mark in marks {
            transliterated.extend(pen.draw(&mut surface, mark));
        }
        surface.finish();
        page.finish();
    }
    document.set_metadata(
        Metadata::new()
            .title(title(invoice))
            .authors(vec![invoice.header.seller.name.clone()])
            .language("en".to_owned()),
    );
    let bytes = document.finish().map_err(PdfError::Writer)?;
    Ok(Printed { bytes, transliterated })
}

fn title(invoice: &Invoice) -> String {
    match &invoice.header.number {
        Some(number) => format!("Invoice {number}"),
        None => "Draft invoice".to_owned(),
    }
}

fn footers(pages: &mut [Vec<Mark>], invoice: &Invoice) {
    let count = pages.len();
    let style = Style::new(7.5).ink(Ink::Grey);
    let y = HEIGHT - 40.0;
    for (page, number) in pages.iter_mut().zip(1..) {
        page.push(Mark::Rule { y: y - 12.0, from: LEFT, to: RIGHT, width: 0.4 });
        let seller = &invoice.header.seller.name;
        let text = format!("{seller} · {}", title(invoice));
        page.push(Mark::Text { x: LEFT, y, style, text });
        let text = format!("Page {number} of {count}");
        page.push(Mark::Text { x: RIGHT, y, style: style.right(), text });
    }
}

struct Pen {
    ruler: Ruler,
    regular: Font,
    bold: Font,
    /// Read when a text needs it: it is large. `None` when it cannot be read.
    fallback: OnceCell<Option<Font>>,
}

impl Pen {
    /// Draws a mark; its text, when that had to be transliterated.
    fn draw(&self, surface: &mut Surface<'_>, mark: &Mark) -> Option<String> {
        match mark {
            Mark::Text { x, y, style, text } => {
                let as_it_is = self.text(surface, (*x, *y), *style, text);
                return (!as_it_is).then(|| text.clone());
            }
            Mark::Rule { y, from, to, width } => {
                let mut line = PathBuilder::new();
                line.move_to(*from, *y);
                line.line_to(*to, *y);
                let stroke = Stroke { paint: paint(Ink::Grey), width: *width, ..Stroke::default() };
                surface.set_fill(None);
                surface.set_stroke(Some(stroke));
                if let Some(path) = line.finish() {
                    surface.draw_path(&path);
                }
                surface.set_stroke(None);
            }
            Mark::Band { y, height } => {
                let mut area = PathBuilder::new();
                if let Some(rect) = Rect::from_xywh(LEFT, *y, RIGHT - LEFT, *height) {
                    area.push_rect(rect);
                }
                surface.set_fill(Some(fill(Ink::Pale)));
                if let Some(path) = area.finish() {
                    surface.draw_path(&path);
                }
            }
        }
        None
    }

    /// Draws a text; whether it could be printed as it is.
    fn text(
        &self,
        surface: &mut Surface<'_>,
        (x, y): (f32, f32),
        style: Style,
        text: &str,
    ) -> bool {
        let mut start = match style.align {
            Align::Left => x,
            Align::Right => x - self.ruler.width(text, style),
        };
        let setting = self.ruler.set(text, style.face);
        surface.set_fill(Some(fill(style.ink)));
        for (piece, (typeface, run)) in setting.runs.iter().enumerate() {
            if let Some((before, run)) = piece.checked_sub(1).map(|last| &setting.runs[last]) {
                start += self.ruler.run_width(*before, run, style.size);
            }
            let at = Point::from_xy(start, y);
            let font = self.font(*typeface);
            surface.draw_text(at, font, style.size, run, false, TextDirection::LeftToRight);
        }
        !setting.is_transliterated
    }

    fn font(&self, typeface: Typeface) -> Font {
        let fallback = match typeface {
            Typeface::Regular => return self.regular.clone(),
            Typeface::Bold => return self.bold.clone(),
            Typeface::Fallback => {
                self.fallback.get_or_init(|| Font::new(FALLBACK.to_vec().into(), 0))
            }
        };
        fallback.clone().unwrap_or_else(|| self.regular.clone())
    }
}

fn paint(ink: Ink) -> krilla::paint::Paint {
    let (red, green, blue) = ink.rgb();
    rgb::Color::new(red, green, blue).into()
}

fn fill(ink: Ink) -> Fill {
    Fill { paint: paint(ink), opacity: NormalizedF32::ONE, ..Fill::default() }
}
