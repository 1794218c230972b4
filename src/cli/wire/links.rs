//! The links as the control socket sees them.

use super::change::{DIRECTIONS, change};
use super::protocol::{Request, done, refusal};
use crate::control::{DirectionSettings, WireConfig};
use crate::emulator::Tally;
use crate::relay::{Ended, Link, LinkReport, Orders, SideReport};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

/// A link with what it was made last.
#[derive(Debug)]
struct Known {
    name: String,
    devices: [String; 2],
    directions: [DirectionSettings; 2],
}

/// All links of a running emulator.
#[derive(Debug)]
pub(super) struct Links {
    known: Vec<Known>,
    orders: Orders,
}

impl Links {
    pub(super) fn new(config: &WireConfig, orders: Orders) -> Self {
        let known = config.links.iter().map(|link| Known {
            name: link.name.clone(),
            devices: link.ports.each_ref().map(|port| port.device.text.clone()),
            directions: link.directions,
        });
        Self { known: known.collect(), orders }
    }

    /// Does what a request asks for, and answers.
    pub(super) async fn handle(&mut self, request: Request) -> Value {
        let result = match request {
            Request::Show {} => self.show().await.map(Some),
            Request::Set { link, settings } => self.set(&link, &settings).await.map(|()| None),
        };
        result.map_or_else(|error| refusal(&error), done)
    }

    /// Returns when the link is changed.
    async fn set(
        &mut self,
        name: &str,
        settings: &std::collections::BTreeMap<String, super::protocol::SettingValue>,
    ) -> Result<(), String> {
        let Some(index) = self.known.iter().position(|link| link.name == name) else {
            let names: Vec<_> = self.known.iter().map(|link| link.name.as_str()).collect();
            return Err(format!("there is no link \"{name}\", only {}", names.join(", ")));
        };
        let mut directions = self.known[index].directions;
        change(&mut directions, settings)?;
        let [first, second] = &directions;
        let link = Link { directions: [first.profile, second.profile], down: [!first.up, !second.up] };
        let (tell, told) = oneshot::channel();
        let done = move || {
            // Who asked may have gone.
            let _ = tell.send(());
        };
        let order = self.orders.change(index, link, done);
        order.map_err(|ended| ended.to_string())?;
        told.await.map_err(|_| Ended.to_string())?;
        tracing::info!(link = name, ?settings, "changed");
        self.known[index].directions = directions;
        Ok(())
    }

    async fn show(&self) -> Result<Value, String> {
        let (tell, told) = oneshot::channel();
        let order = self.orders.report(move |reports| drop(tell.send(reports)));
        order.map_err(|ended| ended.to_string())?;
        let reports = told.await.map_err(|_| Ended.to_string())?;
        Ok(self.known.iter().zip(&reports).map(|(known, report)| link_json(known, report)).collect())
    }
}

fn link_json(known: &Known, report: &LinkReport) -> Value {
    let mut link = Map::new();
    link.insert("name".into(), json!(known.name));
    for (side, device) in known.devices.iter().enumerate() {
        link.insert(["a", "b"][side].into(), port_json(device, &report.sides[side]));
        link.insert(DIRECTIONS[side].into(), direction_json(&report.sides[side]));
    }
    Value::Object(link)
}

fn port_json(device: &str, side: &SideReport) -> Value {
    let port = &side.port;
    json!({
        "device": device,
        "link_up": side.port_up,
        "received_frames": port.received_frames,
        "received_bytes": port.received_bytes,
        "receive_missed": port.receive_missed,
        "receive_errors": port.receive_errors,
        "transmitted_frames": port.transmitted_frames,
        "transmitted_bytes": port.transmitted_bytes,
        "transmit_dropped": port.transmit_dropped,
        "transmit_errors": port.transmit_errors,
    })
}

fn direction_json(side: &SideReport) -> Value {
    let settings = DirectionSettings { profile: side.profile, up: side.up };
    let mut numbers: Map<String, Value> =
        settings.values().map(|(key, value)| (key.to_owned(), json!(value))).collect();
    numbers.insert("up".into(), json!(side.up));
    let counts = &side.counts;
    json!({
        "settings": numbers,
        "counts": {
            "received": tally(counts.received),
            "sent": tally(counts.sent),
            "lost": tally(counts.lost),
            "queue_dropped": tally(counts.queue_dropped),
            "down_dropped": tally(counts.down_dropped),
            "overflowed": tally(counts.overflowed),
            "duplicated": tally(counts.duplicated),
            "reordered": tally(counts.reordered),
            "held": tally(side.held),
        },
        "refused_frames": side.refused,
    })
}

fn tally(tally: Tally) -> Value {
    json!({ "frames": tally.frames, "bytes": tally.bytes })
}
