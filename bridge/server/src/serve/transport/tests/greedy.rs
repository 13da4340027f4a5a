//! Sources that say nothing, wait for nothing or hold many connections, beside others.

use super::*;

const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_makes_noise_is_cut_off() {
    let sip = "tcp = [\"127.0.0.1:0\"]\nws = [\"127.0.0.1:0\"]";
    let world = World::new(sip, "127.0.0.9/32").await;
    let at = |wanted| {
        let listeners = world.transports.streams.listeners().iter();
        listeners.clone().find(|(transport, _)| *transport == wanted).unwrap().1
    };
    for (ended, noise) in [(1, &b"\n"[..]), (2, b"\0"), (3, b"\r"), (4, b"\r\n\n")] {
        // Networks of strangers, since each has a share of its own.
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, u8::try_from(ended).unwrap(), 1));
        let mut stream = connect(from, at(Transport::Tcp)).await;
        let piece = noise.repeat(1000);
        let endless = async { while stream.write_all(&piece).await.is_ok() {} };
        assert!(timeout(PATIENCE, endless).await.is_ok(), "{noise:?} goes on for ever");
        world.until_ended("too_often", ended).await;
    }
    for (ended, noise) in [
        (5, tungstenite::Message::Pong(Bytes::new())),
        (6, tungstenite::Message::text("")),
        (7, tungstenite::Message::text("\r\n")),
        (8, tungstenite::Message::Ping(Bytes::new())),
    ] {
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, u8::try_from(ended).unwrap(), 1));
        let address = at(Transport::Ws);
        let mut request = format!("ws://{address}/").into_client_request().unwrap();
        let protocol = HeaderValue::from_static("sip");
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        let stream = connect(from, address).await;
        let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        let endless = async { while socket.send(noise.clone()).await.is_ok() {} };
        assert!(timeout(PATIENCE, endless).await.is_ok(), "{noise:?} goes on for ever");
        world.until_ended("too_often", ended).await;
    }
}

#[tokio::test]
async fn silent_handshakes_hold_up_their_own_source_only() {
    let folder = tempfile::tempdir().unwrap();
    renew(folder.path());
    let sip = format!("tls = [\"127.0.0.1:0\"]\n{}", files(folder.path()));
    let world = World::new(&sip, "127.0.0.0/8").await;
    let at = world.address();
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(connect(ANYBODY, at).await);
    }
    let name = ServerName::try_from("localhost").unwrap();
    let client = believer(folder.path());
    let shaken = client.connect(name, connect(OTHER, at).await);
    assert!(timeout(Duration::from_secs(3), shaken).await.expect("held up").is_ok());
    drop(silent);
}

#[tokio::test]
async fn many_connections_of_one_source_are_one_source_in_line() {
    let mut world = World::tcp("127.0.0.0/8").await;
    let mut greedy = Vec::new();
    for n in 0..200 {
        let mut stream = connect(ANYBODY, world.address()).await;
        let many: String = (0..5).map(|_| message(n, 0)).collect();
        stream.write_all(many.as_bytes()).await.unwrap();
        greedy.push(stream);
        // Connections are announced on the way that messages come.
        world.message().await;
    }
    let mut other = connect(OTHER, world.address()).await;
    other.write_all(message(9999, 0).as_bytes()).await.unwrap();
    let mut before = 0;
    loop {
        let (flow, _) = world.message().await;
        if flow.remote.ip() == OTHER {
            break;
        }
        before += 1;
        // The control task has other work too; connections read meanwhile.
        sleep(Duration::from_millis(1)).await;
    }
    assert!(before <= HANDED_ON + 8, "{before} messages of one source came first");
}
