//! Pages of marks as a PDF file.

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
    Align, BOLD, Face, HEIGHT, Ink, LEFT, Mark, REGULAR, RIGHT, Ruler, Style, WIDTH,
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

/// `invoice` as an A4 PDF, fonts embedded; the same invoice gives the same bytes.
///
/// # Errors
/// [`PdfError`].
pub fn invoice(invoice: &Invoice) -> Result<Vec<u8>, PdfError> {
    let pen = Pen {
        ruler: Ruler::new().ok_or(PdfError::Fonts)?,
        regular: Font::new(REGULAR.to_vec().into(), 0).ok_or(PdfError::Fonts)?,
        bold: Font::new(BOLD.to_vec().into(), 0).ok_or(PdfError::Fonts)?,
    };
    let mut pages = sheet::pages(invoice, Ruler::new().ok_or(PdfError::Fonts)?);
    footers(&mut pages, invoice);
    let mut document = Document::new();
    let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or(PdfError::Fonts)?;
    for marks in &pages {
        let mut page = document.start_page_with(settings.clone());
        let mut surface = page.surface();
        for mark in marks {
            pen.draw(&mut surface, mark);
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
    document.finish().map_err(PdfError::Writer)
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
}

impl Pen {
    fn draw(&self, surface: &mut Surface<'_>, mark: &Mark) {
        match mark {
            Mark::Text { x, y, style, text } => self.text(surface, (*x, *y), *style, text),
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
    }

    fn text(&self, surface: &mut Surface<'_>, (x, y): (f32, f32), style: Style, text: &str) {
        let start = match style.align {
            Align::Left => x,
            Align::Right => x - self.ruler.width(text, style),
        };
        let font = match style.face {
            Face::Regular => &self.regular,
            Face::Bold => &self.bold,
        };
        surface.set_fill(Some(fill(style.ink)));
        let at = Point::from_xy(start, y);
        surface.draw_text(at, font.clone(), style.size, text, false, TextDirection::LeftToRight);
    }
}

fn paint(ink: Ink) -> krilla::paint::Paint {
    let (red, green, blue) = ink.rgb();
    rgb::Color::new(red, green, blue).into()
}

fn fill(ink: Ink) -> Fill {
    Fill { paint: paint(ink), opacity: NormalizedF32::ONE, ..Fill::default() }
}
