use super::*;

const SEGMENT: usize = 1_000;
const RTT: Duration = Duration::from_millis(50);

/// Round trips in which a whole window is acknowledged segment by segment.
struct Path {
    congestion: Congestion,
    now: Instant,
    acknowledged: u64,
    rtt: Duration,
}

impl Path {
    fn new(algorithm: Algorithm) -> Self {
        Self {
            congestion: Congestion::new(algorithm, SEGMENT, 10),
            now: Instant::ZERO + Duration::from_secs(1),
            acknowledged: 0,
            rtt: RTT,
        }
    }

    fn window(&self) -> usize {
        self.congestion.window_bytes()
    }

    fn acknowledge(&mut self, bytes: usize, limited: bool) {
        let window = self.window();
        self.acknowledged += bytes as u64;
        self.congestion.on_ack(&Acknowledged {
            now: self.now,
            delivered_bytes: bytes,
            in_flight_bytes: window - bytes.min(window),
            acknowledged_to: self.acknowledged,
            sent_to: self.acknowledged + window as u64,
            rtt: Some(self.rtt),
            smoothed_rtt: Some(self.rtt),
            window_limited: limited,
        });
    }

    fn round_trip(&mut self) {
        let segments = self.window() / SEGMENT;
        for _ in 0..segments {
            self.now += self.rtt / segments as u64;
            self.acknowledge(SEGMENT, true);
        }
    }

    fn event(&self) -> CongestionEvent {
        CongestionEvent { now: self.now, in_flight_bytes: self.window() }
    }

    fn lose(&mut self) {
        let event = self.event();
        self.congestion.on_congestion(&event);
    }
}

#[test]
fn slow_start_doubles_per_round_trip() {
    for algorithm in [Algorithm::NewReno, Algorithm::Cubic] {
        let mut path = Path::new(algorithm);
        assert!(path.congestion.is_slow_start());
        for expected in [20_000, 40_000, 80_000] {
            path.round_trip();
            assert_eq!(path.window(), expected, "{algorithm:?}");
        }
    }
}

#[test]
fn one_ack_for_a_burst_counts_all_its_bytes() {
    let mut path = Path::new(Algorithm::NewReno);
    path.acknowledge(10_000, true);
    assert_eq!(path.window(), 20_000);
}

#[test]
fn an_unused_window_does_not_grow() {
    for algorithm in [Algorithm::NewReno, Algorithm::Cubic] {
        let mut path = Path::new(algorithm);
        path.acknowledge(10_000, false);
        assert_eq!(path.window(), 10_000);
    }
}

#[test]
fn new_reno_halves_and_grows_by_a_segment() {
    let mut path = Path::new(Algorithm::NewReno);
    path.round_trip();
    path.lose();
    assert_eq!((path.window(), path.congestion.slow_start_threshold_bytes()), (10_000, 10_000));
    for expected in [11_000, 12_000, 13_000] {
        path.round_trip();
        assert_eq!(path.window(), expected);
    }
}

#[test]
fn a_timeout_leaves_one_segment_and_holds_the_threshold() {
    for algorithm in [Algorithm::NewReno, Algorithm::Cubic] {
        let mut path = Path::new(algorithm);
        path.round_trip();
        let event = path.event();
        path.congestion.on_timeout(&event, true);
        let threshold = path.congestion.slow_start_threshold_bytes();
        assert_eq!(path.window(), SEGMENT);
        path.congestion.on_timeout(&CongestionEvent { in_flight_bytes: SEGMENT, ..event }, false);
        assert_eq!(path.congestion.slow_start_threshold_bytes(), threshold);
        path.congestion.on_timeout(&CongestionEvent { in_flight_bytes: SEGMENT, ..event }, true);
        assert_eq!(path.congestion.slow_start_threshold_bytes(), 2 * SEGMENT, "never below two segments");
    }
}

#[test]
fn an_idle_window_decays_to_the_initial_one() {
    for algorithm in [Algorithm::NewReno, Algorithm::Cubic] {
        let mut path = Path::new(algorithm);
        for _ in 0..4 {
            path.round_trip();
        }
        path.lose();
        let before = path.window();
        path.congestion.on_idle(RTT, 1);
        assert_eq!(path.window(), before / 2);
        path.congestion.on_idle(RTT, 1_000);
        assert_eq!(path.window(), 10_000);
        assert!(path.congestion.slow_start_threshold_bytes() >= before * 3 / 4);
    }
}

/// Equation 1 of RFC 9438 with K by equation 2, in floating point.
fn reference_curve(max_segments: f64, start_segments: f64, t: f64) -> f64 {
    let k = ((max_segments - start_segments) / 0.4).cbrt();
    0.4 * (t - k).powi(3) + max_segments
}

#[test]
fn cubic_follows_its_curve() {
    let mut path = Path::new(Algorithm::Cubic);
    for _ in 0..6 {
        path.round_trip();
    }
    let max = path.window() as f64 / SEGMENT as f64;
    assert_eq!(max, 640.0);
    path.lose();
    let start = path.window() as f64 / SEGMENT as f64;
    assert_eq!(start, 448.0);
    let epoch = path.now;
    let mut below = 0;
    for _ in 0..260 {
        path.round_trip();
        // The window is where the curve was aimed at a round trip ago.
        let t = path.now.since(epoch).as_secs_f64();
        let expected = reference_curve(max, start, t);
        let window = path.window() as f64 / SEGMENT as f64;
        let error = (window - expected).abs() / expected;
        assert!(error < 0.03, "at {t}: {window} instead of {expected}");
        below += usize::from(window < max);
    }
    // K = cbrt(192 / 0.4) = 7.8 s, and the window grows beyond.
    assert!((150..165).contains(&below), "{below}");
    assert!(path.window() > 640_000);
}

#[test]
fn cubic_is_never_slower_than_reno_on_short_paths() {
    let mut path = Path::new(Algorithm::Cubic);
    path.rtt = Duration::from_micros(500);
    for _ in 0..3 {
        path.round_trip();
    }
    path.lose();
    let start = path.window();
    for _ in 0..40 {
        path.round_trip();
    }
    // W_est: 9/17 of a segment per round trip, and one beyond the prior window.
    let grown = (path.window() - start) / SEGMENT;
    assert!((19..=23).contains(&grown), "{grown}");
}

#[test]
fn cubic_gives_way_to_newcomers() {
    let mut path = Path::new(Algorithm::Cubic);
    for _ in 0..6 {
        path.round_trip();
    }
    path.lose();
    path.lose();
    // Fast convergence: W_max is below where the second loss was, 448 * 0.85.
    let start = path.now;
    let mut flat = 0;
    while path.window() < 381_000 {
        path.round_trip();
        flat += 1;
        assert!(flat < 1_000);
    }
    let k = ((448.0 * 0.85 - 313.6) / 0.4f64).cbrt();
    let t = path.now.since(start).as_secs_f64();
    assert!((t - k).abs() < 1.7, "{t} instead of {k}");
}

#[test]
fn cubic_does_not_run_while_the_window_is_unused() {
    let grow = |pause: bool| {
        let mut path = Path::new(Algorithm::Cubic);
        for _ in 0..6 {
            path.round_trip();
        }
        path.lose();
        path.round_trip();
        if pause {
            for _ in 0..100 {
                path.now += RTT;
                path.acknowledge(SEGMENT, false);
            }
        }
        for _ in 0..20 {
            path.round_trip();
        }
        path.window()
    };
    assert_eq!(grow(false), grow(true));
}

#[test]
fn after_a_timeout_cubic_starts_flat() {
    let mut path = Path::new(Algorithm::Cubic);
    for _ in 0..5 {
        path.round_trip();
    }
    let event = path.event();
    path.congestion.on_timeout(&event, true);
    while path.congestion.is_slow_start() {
        path.round_trip();
    }
    let flat = path.window();
    for _ in 0..20 {
        path.round_trip();
    }
    // One second on a flat curve: less than a segment by the curve, so Reno's pace.
    assert!(path.window() - flat <= 21 * SEGMENT, "{} to {}", flat, path.window());
}

#[test]
fn growing_delay_ends_slow_start_before_loss() {
    let mut path = Path::new(Algorithm::Cubic);
    path.round_trip();
    path.round_trip();
    path.rtt = RTT + Duration::from_millis(10);
    for _ in 0..8 {
        path.round_trip();
    }
    assert!(!path.congestion.is_slow_start());
    assert!(path.window() < 40_000 * 5, "conservative slow start: {}", path.window());
}

#[test]
fn a_single_slow_round_does_not_end_slow_start() {
    let mut path = Path::new(Algorithm::Cubic);
    path.round_trip();
    path.rtt = RTT + Duration::from_millis(10);
    path.round_trip();
    path.rtt = RTT;
    for _ in 0..4 {
        path.round_trip();
    }
    assert!(path.congestion.is_slow_start());
    assert!(path.window() >= 200_000);
}

#[test]
fn absurd_numbers_do_not_overflow() {
    for algorithm in [Algorithm::NewReno, Algorithm::Cubic] {
        let mut path = Path::new(algorithm);
        path.acknowledge(1 << 40, true);
        assert!(path.window() <= 1 << 30);
        path.lose();
        for _ in 0..50 {
            path.now += Duration::from_secs(100_000);
            path.acknowledge(1 << 30, true);
        }
        assert!(path.window() <= 1 << 30);
        path.congestion.set_segment_bytes(0);
        path.congestion.on_timeout(&CongestionEvent { now: path.now, in_flight_bytes: 0 }, true);
        assert!(path.window() >= 1);
    }
}
