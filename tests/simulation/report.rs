//! A world in words.

use super::world::World;

/// How everything stands: for who looks for what stalls.
pub fn stall_report(world: &World) -> Vec<String> {
    let mut lines = vec![format!("at {:?} after {} steps", world.now, world.steps)];
    for (index, host) in world.hosts.iter().enumerate() {
        for (session, info) in host.accounts() {
            lines.push(format!("host {index}: {session:?}"));
            lines.push(format!("host {index}: {info:?}"));
        }
        lines.extend(host.shared.iter().map(|shared| format!("host {index}: {:?}", shared.flow)));
        for core in &host.cores {
            let counted =
                core.counters.non_zero().map(|(outcome, times)| format!("{}={times}", outcome.name()));
            lines.push(format!("host {index}: {}", counted.collect::<Vec<_>>().join(" ")));
        }
    }
    lines
}
