//! The user agent: it owns every transaction and dialog, and is driven by messages, time and the
//! node's commands.
//!
//! Outside a dialog only an INVITE that is taken costs memory: everything else is answered
//! statelessly (RFC 3261 §8.2.7). A stranger never does, and is answered now and then only; whoever
//! is known holds his share (`shares`), and in each dialog requests have a rate.

mod early;
mod failover;
mod forks;
mod in_dialog;
mod incoming;
mod login;
mod lost;
mod notify;
mod outgoing;
mod outside;
mod receive;
mod refer;
mod reliable;
mod request;
mod respond;
mod session;
mod subscribe;
mod takeover;
mod terms;
mod timeout;
mod uac;
mod uas;
mod update;
mod users;
mod way;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use partyline_model::{IdSource, Time};

use self::failover::DatagramsOnly;
pub use self::lost::DialogState;
use self::outgoing::{ClientEntry, InviteClientEntry, Outgoing};
pub(crate) use self::refer::Asking;
use self::respond::Template;
pub(crate) use self::update::Undecided;
use crate::admission::{Admission, Everybody};
use crate::command::{CommandError, Config};
use crate::counters::{Counters, Dropped};
use crate::dialog::{Dialog, Renegotiation, State};
use crate::event::{DialogId, Ended, Event, Names, Output, Transmit};
use crate::flow::{ConnectionId, Flow, ResolveId, Transport};
use crate::message::{Host, Method, escape_user};
use crate::rate::Strangers;
use crate::shares::Shares;
use crate::transaction::timer::Timers;
use crate::transaction::{InviteServer, MergeKey, RequestId, Server, ServerKey, TransactionId};
use crate::users::Users;

/// A SIP user agent.
pub struct Endpoint {
    config: Config,
    admission: Box<dyn Admission>,
    strangers: Strangers,
    shares: Shares,
    random: Box<dyn IdSource>,
    tag_key: u64,
    outputs: VecDeque<Output>,
    timers: Timers<Owner>,
    last_id: u64,
    server_keys: BTreeMap<ServerKey, TransactionId>,
    merges: BTreeMap<MergeKey, TransactionId>,
    invite_servers: BTreeMap<TransactionId, InviteServerEntry>,
    servers: BTreeMap<TransactionId, ServerEntry>,
    outgoing: BTreeMap<RequestId, Outgoing>,
    resolving: BTreeMap<ResolveId, RequestId>,
    /// Connections that something here names, and addresses that one was asked for to.
    connections: BTreeSet<ConnectionId>,
    opened: BTreeSet<(Transport, SocketAddr, Option<u32>)>,
    datagrams_only: DatagramsOnly,
    client_keys: BTreeMap<(Box<str>, Method), TransactionId>,
    invite_clients: BTreeMap<TransactionId, InviteClientEntry>,
    clients: BTreeMap<TransactionId, ClientEntry>,
    dialogs: BTreeMap<DialogId, Dialog>,
    /// By Call-ID and our tag; the peer's tag is compared afterwards.
    dialog_keys: BTreeMap<(Box<str>, Box<str>), DialogId>,
    /// Dialogs whose end was reported: no calls any more, though their BYE or ACK is awaited.
    tidying_up: usize,
    users: Option<Users>,
    counters: Counters,
}

/// Whose deadline stands in the timer table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    InviteServer(TransactionId),
    Server(TransactionId),
    InviteClient(TransactionId),
    Client(TransactionId),
    Request(RequestId),
    Dialog(DialogId),
    Session(DialogId),
    Users,
    Prack(DialogId),
    Subscriptions(DialogId),
}

/// An INVITE that came in.
struct InviteServerEntry {
    key: ServerKey,
    merge: Option<MergeKey>,
    machine: InviteServer,
    template: Template,
    dialog: DialogId,
    /// Our tag, which a CANCEL's response repeats.
    tag: Box<str>,
    cseq: u32,
    /// The octets that count in the share of its source.
    octets: usize,
}

/// What an entry of a transaction takes in the tables, beside its texts.
const ENTRY_OCTETS: usize = 768;

impl InviteServerEntry {
    fn size(&self) -> usize {
        // The key stands in two tables.
        ENTRY_OCTETS + 2 * self.key.octets() + self.template.octets() + self.machine.octets()
    }
}

/// Another request that came in and was answered.
struct ServerEntry {
    key: ServerKey,
    machine: Server,
    /// Our tag, where the request had none.
    tag: Box<str>,
    /// By which way the request came.
    flow: Flow,
    octets: usize,
    /// The response, where the request that comes again does not hold all of it.
    response: Option<Bytes>,
}

impl Endpoint {
    /// A user agent with no calls, that knows everybody until [`Endpoint::set_admission`].
    pub fn new(config: Config, mut random: Box<dyn IdSource>) -> Self {
        Self {
            tag_key: low_half(random.next_u128()),
            config,
            admission: Box::new(Everybody),
            strangers: Strangers::default(),
            shares: Shares::new(),
            random,
            outputs: VecDeque::new(),
            timers: Timers::new(),
            last_id: 0,
            server_keys: BTreeMap::new(),
            merges: BTreeMap::new(),
            invite_servers: BTreeMap::new(),
            servers: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            resolving: BTreeMap::new(),
            connections: BTreeSet::new(),
            opened: BTreeSet::new(),
            datagrams_only: DatagramsOnly::default(),
            client_keys: BTreeMap::new(),
            invite_clients: BTreeMap::new(),
            clients: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            dialog_keys: BTreeMap::new(),
            tidying_up: 0,
            users: None,
            counters: Counters::default(),
        }
    }

    /// Says who is known, and what each source may use.
    pub fn set_admission(&mut self, admission: Box<dyn Admission>) {
        self.admission = admission;
    }

    /// The next message to send or event to heed; to be called until `None` after every input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Endpoint::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// What came in and was worth no event.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Calls that hold state, those that only tidy up included.
    pub fn dialogs(&self) -> usize {
        self.dialogs.len()
    }

    /// What a call is called on the wire; `None` when it holds no state any more.
    pub fn names(&self, dialog: DialogId) -> Option<Names> {
        let path = &self.dialogs.get(&dialog)?.path;
        Some(Names {
            call_id: path.call_id.to_string(),
            local_tag: path.local_tag.to_string(),
            remote_tag: path.remote_tag.as_ref().map(ToString::to_string),
        })
    }

    /// Where the peer's SIP comes from: its last INVITE in the call, or its answer to ours; `None`
    /// until there is one.
    pub fn heard_from(&self, dialog: DialogId) -> Option<SocketAddr> {
        self.dialogs.get(&dialog)?.path.heard_from
    }

    /// Octets that requests of others hold, as the shares of their sources count them.
    pub fn octets(&self) -> usize {
        self.shares.octets()
    }

    /// Transactions that hold state.
    pub fn transactions(&self) -> usize {
        self.invite_servers.len()
            + self.servers.len()
            + self.invite_clients.len()
            + self.clients.len()
    }

    /// Requests of ours that wait for an address or a final response, and INVITEs whose forks may
    /// still answer.
    pub fn requests(&self) -> usize {
        self.outgoing.len()
    }

    fn transmit(&mut self, flow: Flow, payload: Bytes) {
        self.outputs.push_back(Output::Transmit(Transmit { flow, payload }));
    }

    fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn drop_for(&mut self, reason: Dropped) {
        self.counters.count(reason);
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// 64 unpredictable bits: a tag or a branch (RFC 3261 §19.3 asks for 32).
    fn token(&mut self) -> String {
        format!("{:016x}", low_half(self.random.next_u128()))
    }

    /// Our Contact in calls, all of which are to conferences (RFC 4579 §5.1), for the far end of `flow`;
    /// with `sips`, one that is reached in secret only, as
    /// it must be where the far end's next hop is (RFC 3261 §8.1.1.8, §12.1.1).
    fn contact(&self, flow: Flow, sips: bool) -> String {
        format!("<{}>;isfocus", self.contact_with(None, flow, sips))
    }

    /// The URI by which the far end of `flow` reaches us, with this user part.
    pub fn contact_uri(&self, user: Option<&str>, flow: Flow) -> String {
        self.contact_with(user, flow, false)
    }

    fn contact_with(&self, user: Option<&str>, flow: Flow, sips: bool) -> String {
        let at = self.config.advertised_on(flow);
        let (host, port) = (Host::Address(at.ip()), at.port());
        let user = user.map(|user| escape_user(user) + "@").unwrap_or_default();
        match flow.transport {
            Transport::Tls if sips => format!("sips:{user}{host}:{port}"),
            Transport::Wss if sips => format!("sips:{user}{host}:{port};transport=ws"),
            Transport::Udp => format!("sip:{user}{host}:{port}"),
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                format!("sip:{user}{host}:{port};transport={}", flow.transport.uri_value())
            }
        }
    }

    fn dialog(&mut self, id: DialogId) -> Result<&mut Dialog, CommandError> {
        let dialog = self.dialogs.get_mut(&id).ok_or(CommandError::NoDialog)?;
        if dialog.state.has_ended() { Err(CommandError::NoDialog) } else { Ok(dialog) }
    }

    fn insert_dialog(&mut self, id: DialogId, dialog: Dialog) {
        let key = (dialog.path.call_id.clone(), dialog.path.local_tag.clone());
        self.dialog_keys.insert(key, id);
        self.dialogs.insert(id, dialog);
    }

    /// Moves a dialog to another state, with its deadline.
    fn set_state(&mut self, id: DialogId, state: State) {
        self.timers.set(Owner::Dialog(id), state.deadline());
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let ended = state.has_ended();
        if !matches!(state, State::Offered { .. })
            && let Some(made) = &mut dialog.provisionals
        {
            made.rest();
            self.timers.set(Owner::Prack(id), None);
        }
        if ended {
            self.timers.set(Owner::Session(id), None);
        }
        if ended && !std::mem::replace(&mut dialog.tidies_up, true) {
            self.tidying_up += 1;
        }
        if let Some(seat) = dialog.seat.as_mut().filter(|seat| seat.is_pending())
            && matches!(state, State::Confirmed(_))
        {
            self.shares.prove(seat);
        }
        let over = dialog.seat.take_if(|_| ended);
        let before = std::mem::replace(&mut dialog.state, state);
        self.abandon_reinvite(&before);
        if let Some(seat) = over {
            self.shares.remove_call(seat);
        }
    }

    /// The caller has given a passcode: the call counts in nobody's share any more.
    pub fn release_share(&mut self, dialog: DialogId) {
        let held = self.dialogs.get_mut(&dialog);
        if let Some(seat) = held.and_then(|held| held.seat.take()) {
            self.shares.remove_call(seat);
        }
    }

    /// A re-INVITE of ours that had a provisional response may wait for its final one for ever:
    /// it goes when its dialog no longer waits for it.
    fn abandon_reinvite(&mut self, before: &State) {
        if let State::Confirmed(Renegotiation::Ours { request }) = *before
            && (self.proceeding(request).is_some() || self.is_unsent(request))
        {
            self.remove_request(request);
        }
    }

    /// Takes a dialog out of the tables; its end must be reported already.
    fn forget_dialog(&mut self, id: DialogId) {
        self.timers.set(Owner::Dialog(id), None);
        self.timers.set(Owner::Session(id), None);
        self.timers.set(Owner::Prack(id), None);
        self.timers.set(Owner::Subscriptions(id), None);
        if let Some(dialog) = self.dialogs.remove(&id) {
            self.dialog_keys.remove(&(dialog.path.call_id, dialog.path.local_tag));
            self.abandon_reinvite(&dialog.state);
            self.tidying_up -= usize::from(dialog.tidies_up);
            if let Some(seat) = dialog.seat {
                self.shares.remove_call(seat);
            }
        }
    }

    /// Counts anew what an INVITE holds.
    fn recount(&mut self, id: TransactionId) {
        let Some(entry) = self.invite_servers.get_mut(&id) else { return };
        let (before, after) = (entry.octets, entry.size());
        entry.octets = after;
        self.shares.resize(entry.template.source().ip(), before, after);
    }

    /// Reports the end of a call unless that was done.
    fn report_end(&mut self, id: DialogId, ended: Ended) {
        if self.dialogs.get(&id).is_some_and(|dialog| !dialog.state.has_ended()) {
            self.emit(Event::Ended { dialog: id, ended });
        }
    }

    /// Reports the end of a call and forgets it.
    fn end(&mut self, id: DialogId, ended: Ended) {
        self.report_end(id, ended);
        self.forget_dialog(id);
    }
}

fn low_half(bits: u128) -> u64 {
    u64::try_from(bits & u128::from(u64::MAX)).expect("the mask leaves 64 bits")
}
