//! An invoice laid out on pages: what stands where.

use partyline_billing::{
    Charge, ChargeKind, Decimals, Invoice, InvoicedLeg, Money, Party, ReferenceTotal, Session,
};
use partyline_model::WallTime;

use crate::page::{Align, BOTTOM, Ink, LEFT, Mark, Paper, RIGHT, Ruler, Style};

const BODY: Style = Style::new(9.0);
const SMALL: Style = Style::new(8.0);
const HEAD: Style = Style::new(8.0).bold().ink(Ink::Grey);
const ROW: f32 = 15.0;

/// A table column: its heading, the x its texts are aligned to, and how.
struct Column {
    head: &'static str,
    x: f32,
    align: Align,
    /// Longest text in points.
    width: f32,
}

const fn left(head: &'static str, x: f32, width: f32) -> Column {
    Column { head, x, align: Align::Left, width }
}

const fn right(head: &'static str, x: f32, width: f32) -> Column {
    Column { head, x, align: Align::Right, width }
}

const CHARGES: [Column; 5] = [
    left("Charge", LEFT, 210.0),
    right("Calls", LEFT + 262.0, 48.0),
    right("Time billed", LEFT + 342.0, 70.0),
    right("Per minute", LEFT + 412.0, 64.0),
    right("Amount", RIGHT, 74.0),
];

const REFERENCES: [Column; 5] = [
    left("Reference number", LEFT, 210.0),
    right("Conferences", LEFT + 272.0, 60.0),
    right("Calls", LEFT + 322.0, 46.0),
    right("Time billed", LEFT + 402.0, 70.0),
    right("Amount", RIGHT, 80.0),
];

const LEGS: [Column; 7] = [
    left("Answered", LEFT, 88.0),
    left("Caller or called number", LEFT + 90.0, 104.0),
    left("Charge", LEFT + 190.0, 112.0),
    right("Duration", LEFT + 342.0, 44.0),
    right("Billed", LEFT + 390.0, 44.0),
    right("Per minute", LEFT + 444.0, 52.0),
    right("Amount", RIGHT, 46.0),
];

/// Where the invoice's number, dates and currency stand, up to the right border.
const FACTS: f32 = RIGHT - 200.0;

/// Rows that a table of reference numbers, or of charges, has at most in a summary.
const MOST_SUMMARY_ROWS: usize = 500;

/// All pages of `invoice`, without their footers. One with very many legs is a summary: its legs
/// stand in the files beside it.
pub(crate) fn pages(invoice: &Invoice, ruler: Ruler) -> Vec<Vec<Mark>> {
    let mut paper = Paper::new(ruler);
    letterhead(&mut paper, invoice);
    charges(&mut paper, invoice);
    totals(&mut paper, invoice);
    notes(&mut paper, invoice);
    if invoice.sessions.is_empty() {
        return paper.pages;
    }
    references(&mut paper, invoice);
    if invoice.is_summary() {
        details_elsewhere(&mut paper, invoice);
    } else {
        paper.new_page();
        heading(&mut paper, "Calls by conference");
        for session in &invoice.sessions {
            conference(&mut paper, invoice, session);
        }
    }
    paper.pages
}

fn letterhead(paper: &mut Paper, invoice: &Invoice) {
    let header = &invoice.header;
    paper.y += 8.0;
    let title = if header.number.is_some() { "Invoice" } else { "Draft invoice" };
    paper.text(RIGHT, Style::new(22.0).right(), title);
    let top = paper.y + 16.0;
    seller(paper, &header.seller);
    let seller_end = paper.y;
    paper.y = top + 6.0;
    let period = &header.period;
    let facts = [
        ("Invoice number", header.number.clone().unwrap_or_else(|| "none: draft".to_owned())),
        ("Date of issue", header.issued.to_string()),
        ("Payable until", header.due.to_string()),
        ("Period", format!("{} to {}", period.first_day(), period.last_day())),
        ("Time zone", period.zone_name().to_owned()),
        ("Currency", invoice.currency.to_owned()),
    ];
    for (name, value) in facts {
        paper.text(FACTS, BODY.ink(Ink::Grey), name);
        paper.text(RIGHT, BODY.right(), value);
        paper.y += 13.0;
    }
    let facts_end = paper.y;
    paper.y = seller_end.max(top + 22.0) + 12.0;
    paper.text(LEFT, HEAD, "Billed to");
    paper.y += 14.0;
    beside_facts(paper, &header.buyer.name, Style::new(11.0).bold(), 13.0);
    for line in address(&header.buyer) {
        beside_facts(paper, &line, BODY, 12.0);
    }
    paper.y = paper.y.max(facts_end) + 24.0;
}

fn seller(paper: &mut Paper, seller: &Party) {
    // The address begins 16 points below the name's last line.
    beside_facts(paper, &seller.name, Style::new(17.0).bold().ink(Ink::Accent), 20.0);
    paper.y -= 4.0;
    for line in address(seller) {
        beside_facts(paper, &line, SMALL.ink(Ink::Grey), 11.0);
    }
}

/// A text that leaves the facts' column free; its lines are `height` points apart.
fn beside_facts(paper: &mut Paper, text: &str, style: Style, height: f32) {
    for line in paper.ruler.wrap(text, style, FACTS - LEFT - 16.0) {
        paper.text(LEFT, style, line);
        paper.y += height;
    }
}

fn address(party: &Party) -> impl Iterator<Item = String> + '_ {
    let tax = party.tax_id.iter().map(|id| format!("Tax registration {id}"));
    party.address.iter().cloned().chain(tax)
}

fn charges(paper: &mut Paper, invoice: &Invoice) {
    table_head(paper, &CHARGES);
    for line in &invoice.lines {
        if !paper.has_room(ROW) {
            paper.new_page();
            table_head(paper, &CHARGES);
        }
        let cells = [
            format!("{}: {}{}", kind(line.kind), line.name, fee(line.fee)),
            line.legs.to_string(),
            duration(line.billed_seconds),
            price(line.per_minute),
            line.amount.to_fixed(invoice.decimals),
        ];
        row(paper, &CHARGES, &cells, BODY);
    }
    if invoice.lines.is_empty() {
        paper.text(LEFT, BODY.ink(Ink::Grey), "No charges in this period.");
        paper.y += ROW;
    }
}

fn totals(paper: &mut Paper, invoice: &Invoice) {
    // The totals stay together, and with the last line.
    let needed = 62.0 + 15.0 * tax_rows(invoice);
    if !paper.has_room(needed) {
        paper.new_page();
    }
    paper.rule(-6.0, 0.8);
    paper.y += 10.0;
    let label_x = RIGHT - 110.0;
    let pair = |paper: &mut Paper, label: String, amount: Money, style: Style| {
        paper.text(label_x, style.right(), label);
        paper.text(RIGHT, style.right(), amount.to_fixed(invoice.decimals));
        paper.y += 15.0;
    };
    pair(paper, "Net".to_owned(), invoice.net, BODY);
    for tax in &invoice.taxes {
        let of = format!(" of {}", tax.base.to_fixed(invoice.decimals));
        let room = label_x - LEFT - paper.ruler.width(&of, BODY);
        let label = paper.ruler.fit(&tax.label, BODY, room) + &of;
        pair(paper, label, tax.amount, BODY);
    }
    paper.y += 6.0;
    let band = Mark::Band { y: paper.y - 15.0, height: 22.0 };
    paper.put(band);
    let total = format!("Total due, {}", invoice.currency);
    pair(paper, total, invoice.total, Style::new(12.0).bold());
}

fn tax_rows(invoice: &Invoice) -> f32 {
    invoice.taxes.iter().map(|_| 1.0).sum()
}

fn notes(paper: &mut Paper, invoice: &Invoice) {
    paper.y += 22.0;
    for note in &invoice.header.notes {
        for line in paper.ruler.wrap(note, BODY, RIGHT - LEFT) {
            if !paper.has_room(13.0) {
                paper.new_page();
            }
            paper.text(LEFT, BODY, line);
            paper.y += 13.0;
        }
        paper.y += 5.0;
    }
}

fn references(paper: &mut Paper, invoice: &Invoice) {
    if paper.has_room(140.0) {
        paper.y += 20.0;
    } else {
        paper.new_page();
    }
    heading(paper, "Totals by reference number");
    table_head(paper, &REFERENCES);
    let exact = invoice.decimals.for_lines();
    let rows = invoice.references.len();
    let shown = if invoice.is_summary() { rows.min(MOST_SUMMARY_ROWS) } else { rows };
    let rest = rest(&invoice.references[shown..]);
    for total in invoice.references[..shown].iter().chain(&rest) {
        if !paper.has_room(ROW) {
            paper.new_page();
            table_head(paper, &REFERENCES);
        }
        row(paper, &REFERENCES, &reference_cells(total, exact), BODY);
    }
    let closing = [
        ("Rounding of each charge line", invoice.line_rounding.to_fixed(exact), BODY),
        ("Net, as on page 1", invoice.net.to_fixed(exact), BODY.bold()),
    ];
    if !paper.has_room(3.0 * ROW) {
        paper.new_page();
    }
    paper.rule(-6.0, 0.8);
    paper.y += 8.0;
    for (label, amount, style) in closing {
        paper.text(LEFT, style, label);
        paper.text(RIGHT, style.right(), amount);
        paper.y += ROW;
    }
}

/// What a summary's table leaves out, as its last row, so that the table foots.
fn rest(left_out: &[ReferenceTotal]) -> Option<ReferenceTotal> {
    (!left_out.is_empty()).then(|| ReferenceTotal {
        reference: Some(format!("{} more, in the CSV file", left_out.len())),
        conferences: left_out.iter().map(|total| total.conferences).sum(),
        legs: left_out.iter().map(|total| total.legs).sum(),
        billed_seconds: left_out.iter().map(|total| total.billed_seconds).sum(),
        amount: left_out.iter().map(|total| total.amount).sum(),
    })
}

fn details_elsewhere(paper: &mut Paper, invoice: &Invoice) {
    let text = format!(
        "This invoice has {} calls in {} conferences. Each call and each of its charges is a row of \
         the CSV file that comes with it; the JSON file has them too.",
        invoice.legs(),
        invoice.sessions.iter().filter(|session| session.conf_id.is_some()).count()
    );
    paper.y += 10.0;
    for line in paper.ruler.wrap(&text, BODY, RIGHT - LEFT) {
        if !paper.has_room(13.0) {
            paper.new_page();
        }
        paper.text(LEFT, BODY, line);
        paper.y += 13.0;
    }
}

fn reference_cells(total: &ReferenceTotal, exact: Decimals) -> [String; 5] {
    [
        total.reference.clone().unwrap_or_else(|| "(none)".to_owned()),
        total.conferences.to_string(),
        total.legs.to_string(),
        duration(total.billed_seconds),
        total.amount.to_fixed(exact),
    ]
}

fn conference(paper: &mut Paper, invoice: &Invoice, session: &Session) {
    // A heading never stands without the table head and two rows.
    if !paper.has_room(78.0) {
        paper.new_page();
    }
    paper.y += 8.0;
    let name = match (session.conf_id, session.name.as_str()) {
        (None, _) => "Calls that joined no conference",
        (Some(_), "") => "Conference",
        (Some(_), name) => name,
    };
    let name = paper.ruler.fit(name, Style::new(10.0).bold(), 300.0);
    paper.text(LEFT, Style::new(10.0).bold(), name);
    let reference = session.reference.as_deref().map(|r| format!("Reference {r}"));
    paper.text(RIGHT, BODY.right(), reference.unwrap_or_default());
    paper.y += 12.0;
    let mut facts = format!("Began {}", invoice.header.period.local(session.started_at));
    if let Some(id) = session.conf_id {
        facts += &format!(", conference {id}");
    }
    paper.text(LEFT, SMALL.ink(Ink::Grey), facts);
    paper.y += 14.0;
    table_head(paper, &LEGS);
    for leg in &session.legs {
        for (n, charge) in leg.charges.iter().enumerate() {
            if !paper.has_room(ROW) {
                paper.new_page();
                table_head(paper, &LEGS);
            }
            row(paper, &LEGS, &leg_cells(invoice, leg, charge, n == 0), SMALL);
        }
    }
    paper.rule(-7.0, 0.4);
    paper.y += 5.0;
    let amount = session.amount.to_fixed(invoice.decimals.for_lines());
    paper.text(LEFT, SMALL.bold(), format!("{} calls", session.legs.len()));
    paper.text(RIGHT, SMALL.bold().right(), amount);
    paper.y += 20.0;
}

fn leg_cells(invoice: &Invoice, leg: &InvoicedLeg, charge: &Charge, first: bool) -> [String; 7] {
    let at = |time: WallTime| {
        let local = invoice.header.period.local(time);
        // The zone stands on page 1.
        local.get(..19).unwrap_or(&local).to_owned()
    };
    let (answered, party, lasted) = if first {
        let role = if leg.moderator { "  (moderator)" } else { "" };
        (
            leg.answered_at.map_or_else(|| "not answered".to_owned(), at),
            format!("{}{role}", leg.party),
            duration(leg.duration_ms.div_ceil(1000)),
        )
    } else {
        Default::default()
    };
    [
        answered,
        party,
        format!("{}{}", charge.name, fee(charge.fee)),
        lasted,
        duration(charge.billed_seconds),
        price(charge.per_minute),
        charge.amount.to_fixed(invoice.decimals.for_lines()),
    ]
}

fn heading(paper: &mut Paper, text: &str) {
    paper.text(LEFT, Style::new(13.0).bold().ink(Ink::Accent), text);
    paper.y += 22.0;
}

fn table_head(paper: &mut Paper, columns: &[Column]) {
    for column in columns {
        paper.text(column.x, Style { align: column.align, ..HEAD }, column.head);
    }
    paper.rule(5.0, 0.8);
    paper.y += 18.0;
    debug_assert!(paper.y < BOTTOM);
}

fn row(paper: &mut Paper, columns: &[Column], cells: &[String], style: Style) {
    for (column, cell) in columns.iter().zip(cells) {
        let text = paper.ruler.fit(cell, style, column.width);
        paper.text(column.x, Style { align: column.align, ..style }, text);
    }
    paper.y += ROW;
}

const fn kind(kind: ChargeKind) -> &'static str {
    match kind {
        ChargeKind::Bridge => "Conference",
        ChargeKind::LongDistance => "Dial-out",
        ChargeKind::Feature => "Feature",
    }
}

/// What comes on top of the minutes, for the end of a charge's name.
fn fee(amount: Money) -> String {
    if amount == Money::ZERO { String::new() } else { format!(", plus {} a call", price(amount)) }
}

/// `h:mm:ss`.
fn duration(seconds: u64) -> String {
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A price of a minute, with four decimals and more only where it has them.
fn price(amount: Money) -> String {
    let text = amount.to_fixed(Decimals::new(8));
    let kept = text.trim_end_matches('0').len().max(text.len() - 4);
    text[..kept].to_owned()
}

#[cfg(test)]
mod tests {
    use partyline_billing::{Date, Deck, Header, Period, TaxRate};

    use super::*;

    const LONG: &str =
        "Canadian Association of Conference Interpreters and Translators of All Provinces Inc.";

    fn party(name: &str) -> Party {
        let address = vec![LONG.to_owned(), "x".repeat(120), "Toronto".to_owned()];
        Party { name: name.to_owned(), address, tax_id: Some(LONG.to_owned()) }
    }

    fn invoice() -> Invoice {
        let header = Header {
            number: None,
            issued: Date::constant(2026, 12, 1),
            due: Date::constant(2026, 12, 31),
            period: Period::new("2026-11".parse().unwrap(), "America/Toronto").unwrap(),
            seller: party(LONG),
            buyer: party(LONG),
            taxes: vec![TaxRate { label: format!("{LONG} {LONG}"), basis_points: 1300 }],
            notes: vec!["x".repeat(300)],
        };
        let deck =
            "deck_id,prefix,name,kind,currency,per_min,eff_from\nd,,B,bridge,USD,1,2026-01-01\n";
        Invoice::build(header, &[], &[], &Deck::parse(deck).unwrap())
    }

    #[test]
    fn no_text_is_printed_over_another_or_beyond_the_border() {
        let ruler = Ruler::new().expect("embedded fonts");
        for page in pages(&invoice(), Ruler::new().expect("embedded fonts")) {
            let mut boxes: Vec<(f32, f32, f32, String)> = Vec::new();
            for mark in page {
                let Mark::Text { x, y, style, text } = mark else { continue };
                let width = ruler.width(&text, style);
                let from = if style.align == Align::Right { x - width } else { x };
                assert!(from >= LEFT - 0.1 && from + width <= RIGHT + 0.1, "{text}");
                for (left, right, line, other) in &boxes {
                    let apart = from >= *right || from + width <= *left || (line - y).abs() > 7.0;
                    assert!(apart, "{text:?} over {other:?}");
                }
                boxes.push((from, from + width, y, text));
            }
        }
    }
}
