//! With the feature `dpdk`: finds the installed DPDK, compiles the C shim
//! against it and generates Rust declarations of the shim's functions.
//! Without the feature: nothing, so the pure rooms build on any machine.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "dpdk")]
    dpdk::build();
}

#[cfg(feature = "dpdk")]
mod dpdk {
    use std::env;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    const SHIM: &str = "src/dpdk/shim";
    const SOURCES: [&str; 10] = [
        "burst.c",
        "eal.c",
        "flow.c",
        "forward.c",
        "frame.c",
        "hash.c",
        "log.c",
        "mbuf.c",
        "memory.c",
        "port.c",
    ];
    const INSTALL: &str = "DPDK 22.11 to 24.11 is needed (Debian, Ubuntu: apt install libdpdk-dev), \
                           or build without it: --no-default-features";

    /// The releases whose interfaces the shim knows.
    const VERSIONS: std::ops::Range<&str> = "22.11".."25";

    pub(super) fn build() {
        println!("cargo::rerun-if-changed={SHIM}");
        let library = probe();
        compile(&library, &compiler_flags());
        declare();
        // The shim's references come first, so that the linker keeps the
        // libraries that resolve them.
        for path in &library.link_paths {
            println!("cargo::rustc-link-search=native={}", path.display());
        }
        for name in &library.libs {
            println!("cargo::rustc-link-lib={name}");
        }
    }

    fn probe() -> pkg_config::Library {
        pkg_config::Config::new()
            .range_version(VERSIONS)
            .cargo_metadata(false)
            .env_metadata(true)
            .probe("libdpdk")
            .unwrap_or_else(|error| panic!("{INSTALL}\n{error}"))
    }

    /// What DPDK's headers need besides include paths (the architecture and a
    /// header to include first), which the pkg-config crate leaves out.
    fn compiler_flags() -> Vec<String> {
        let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
        let output = Command::new(&program)
            .args(["--cflags-only-other", "libdpdk"])
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(output.status.success(), "{INSTALL}");
        String::from_utf8_lossy(&output.stdout).split_whitespace().map(Into::into).collect()
    }

    fn compile(library: &pkg_config::Library, flags: &[String]) {
        let mut build = cc::Build::new();
        for path in &library.include_paths {
            // System headers: their warnings are not ours.
            build.flag("-isystem").flag(path);
        }
        build
            .files(SOURCES.map(|file| Path::new(SHIM).join(file)))
            .flags(flags)
            // Pools over external memory are experimental in 22.11.
            .define("ALLOW_EXPERIMENTAL_API", None)
            .std("gnu11")
            // Its loops run per packet, also in debug builds.
            .opt_level(3)
            .warnings_into_errors(env::var_os("CI").is_some())
            .extra_warnings(true)
            .compile("mpdk_shim");
    }

    fn declare() {
        let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("shim.rs");
        bindgen::Builder::default()
            .header(format!("{SHIM}/shim.h"))
            .allowlist_item("mpdk_.*|MPDK_.*")
            .prepend_enum_name(false)
            .derive_default(true)
            .layout_tests(true)
            .formatter(bindgen::Formatter::None)
            .generate()
            .unwrap_or_else(|error| {
                panic!("declaring {SHIM}/shim.h: {error} (libclang: apt install libclang-dev)")
            })
            .write_to_file(&out)
            .unwrap_or_else(|error| panic!("{}: {error}", out.display()));
    }
}
