// JsSIP, as in a browser: registers over a WebSocket, and takes its registration back after 4 s. It
// has no sound here. Ends with 1 where it is refused.
"use strict";

const [uri, user, password, realm] = process.argv.slice(2);
const JsSIP = require("jssip");
const Socket = require("jssip-node-websocket");

const fail = (why) => {
    console.error(why);
    process.exit(1);
};
setTimeout(() => fail("not done within 15 s"), 15000).unref();

const phone = new JsSIP.UA({
    sockets: [new Socket(uri, { requestOptions: { headers: { Origin: "https://pages.example" } } })],
    uri: `sip:${user}@${realm}`,
    password,
    register_expires: 120,
});
phone.on("registrationFailed", (event) => fail(`registration: ${event.cause}`));
phone.on("registered", () => {
    console.log("REGISTERED");
    setTimeout(() => phone.unregister({ all: true }), 4000);
});
phone.on("unregistered", () => {
    console.log("UNREGISTERED");
    phone.stop();
    process.exit(0);
});
phone.start();
