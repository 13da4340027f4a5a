//! Whom a call that comes in is for: the places that its trunk goes by, against our dial-in numbers.

use partyline_directory::DialIn;
use partyline_model::Number;
use partyline_sip::{Called, CalledPlace, Incoming};

use crate::config::Trunk;
use crate::node::Node;
use crate::numbers::Numbers;

impl Node {
    /// Puts the name that counts first, and leaves out the places that the trunk does not go by: the
    /// first that names one of our numbers counts, else the first that names any. Our Contact at a
    /// registrar says no number and is nobody's to know; who was asked for then stands elsewhere.
    pub(crate) fn name_callee(&self, trunk: usize, incoming: &mut Incoming) {
        let is_contact = self.is_contact(trunk, &incoming.dnis_raw);
        let Some(Trunk { numbers, .. }) = self.config.trunks.get(trunk) else { return };
        let mut order = numbers.called_from.clone();
        if is_contact {
            order.retain(|place| *place != CalledPlace::RequestUri);
            order.extend([CalledPlace::CalledParty, CalledPlace::To]);
            incoming.request_uri.clear();
        }
        let named = std::mem::take(&mut incoming.called);
        let places = order.iter().flat_map(|at| named.iter().filter(move |one| one.place == *at));
        let mut called: Vec<Called> = places.cloned().collect();
        let ours = called.iter().position(|one| self.known(numbers, one).is_some());
        let any = || called.iter().position(|one| number_in(numbers, one).is_some());
        if let Some(chosen) = ours.or_else(any) {
            called.swap(0, chosen);
        }
        incoming.dnis_raw = called.first().map(|one| one.raw.clone()).unwrap_or_default();
        incoming.called = called;
    }

    /// The dial-in number that a call is for, in whatever form the trunk writes it.
    pub(crate) fn dial_in(&self, trunk: usize, incoming: &Incoming) -> Option<&DialIn> {
        let trunk = self.config.trunks.get(trunk)?;
        self.known(&trunk.numbers, incoming.called.first()?)
    }

    /// The number that a call is for, ours or not.
    pub(crate) fn dialled_number(&self, trunk: usize, incoming: &Incoming) -> Option<Number> {
        let ours = self.dial_in(trunk, incoming).map(|dial_in| dial_in.number);
        let read = || number_in(&self.config.trunks.get(trunk)?.numbers, incoming.called.first()?);
        ours.or_else(read)
    }

    fn known(&self, numbers: &Numbers, called: &Called) -> Option<&DialIn> {
        called.forms.iter().chain([&called.raw]).find_map(|form| {
            let mut readings = numbers.called(form).into_iter();
            let by_reading = || readings.find_map(|number| self.directory.dial_in(&number));
            self.directory.dial_in_for(form).or_else(by_reading)
        })
    }
}

fn number_in(numbers: &Numbers, called: &Called) -> Option<Number> {
    called.forms.iter().find_map(|form| numbers.called(form).into_iter().next())
}
