// Why the native part could not be loaded, and what to do about it: one error for the causes that there are.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { TidelogError } from "./errors.js";

/** The oldest glibc that the prebuilt addon for Linux loads with. */
export const GLIBC_FLOOR = "2.34";

/** What is known where the addon was looked for. */
export interface Surroundings {
  /** The package's folder; undefined in a bundle that does not say where it lies. */
  readonly root: string | undefined;
  /** Whether that folder is the package, and not where a bundler has put its code. */
  readonly isPackage: boolean;
  /** The folders of prebuilt addons in it. */
  readonly prebuilds: readonly string[];
  readonly platform: string;
  readonly arch: string;
  /** The glibc that runs; undefined on Linux is another C library, musl in practice. */
  readonly glibc: string | undefined;
  /** Whether Node's permission model is on. */
  readonly isPermitting: boolean;
  readonly isElectron: boolean;
}

/** The error for what looking for the addon, or loading it, threw. */
export function noNative(cause: unknown, root: string | undefined): TidelogError {
  return new TidelogError("ERR_TIDELOG_NO_NATIVE", explained(cause, surroundings(root)), { cause });
}

/** What happened, where, and what to do. */
export function explained(cause: unknown, at: Surroundings): string {
  const libc =
    at.platform !== "linux" ? "" : at.glibc === undefined ? ", musl or another C library" : `, glibc ${at.glibc}`;
  const here = `${at.platform}-${at.arch}${libc}`;
  return `the native part of tidelog can't be loaded (${here}): ${reason(cause, at)}`;
}

function reason(cause: unknown, at: Surroundings): string {
  const { code, message = String(cause) } = (cause ?? {}) as { code?: unknown; message?: string };
  const needed = /version `GLIBC_([\d.]+)' not found/.exec(message)?.[1];
  if (code === "ERR_DLOPEN_DISABLED" || code === "ERR_ACCESS_DENIED" || at.isPermitting) {
    return at.isPermitting
      ? "Node's permission model keeps native addons out; start node with --allow-addons, and with --allow-fs-read for the " +
          "package and --allow-fs-read and --allow-fs-write for the store's folder"
      : "node was started with --no-addons; start it without";
  }
  if (!at.isPackage) {
    const found = at.root === undefined ? "" : `, in ${at.root}`;
    return (
      `its code was bundled or copied without it${found}; keep tidelog external and install it beside the bundle: ` +
      "--external:tidelog (esbuild), external: ['tidelog'] (Rollup), ssr.external (Vite), externals (webpack), " +
      "serverExternalPackages (Next.js)"
    );
  }
  if (needed !== undefined) {
    return `it needs glibc ${needed} or newer, as of Debian 12, Ubuntu 22.04 or RHEL 9; use a newer system or image`;
  }
  if (code === "ERR_DLOPEN_FAILED") {
    const packed = at.isElectron ? "; with Electron, unpack it: asarUnpack: ['**/*.node']" : "";
    return `it is there and does not load: ${firstLine(message)}; install the package anew on this machine${packed}`;
  }
  if (code === "MODULE_NOT_FOUND") {
    return `its loader is not installed: ${firstLine(message)}; install tidelog with its dependencies`;
  }
  const wanted = `${at.platform}-${at.arch}`;
  const isMusl = at.platform === "linux" && at.glibc === undefined;
  if (at.prebuilds.length > 0 && (isMusl || !at.prebuilds.includes(wanted))) {
    return (
      `the package has it for ${at.prebuilds.map(named).join(", ")} only; run there, for example in a Debian or Ubuntu ` +
      "container, or build it from the repository: npm run build"
    );
  }
  return (
    `there is none in ${at.root}; install the package anew on this machine, as node_modules that were copied from ` +
    "elsewhere may lack it, or in a clone: npm run build"
  );
}

function named(prebuild: string): string {
  return prebuild.startsWith("linux") ? `${prebuild} with glibc ${GLIBC_FLOOR} or newer` : prebuild;
}

function firstLine(message: string): string {
  return message.split("\n")[0] ?? message;
}

function surroundings(root: string | undefined): Surroundings {
  const permission = (process as { permission?: object }).permission;
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return {
    root,
    isPackage: root !== undefined && isPackage(root),
    prebuilds: root === undefined ? [] : foldersOf(join(root, "prebuilds")),
    platform: process.platform,
    arch: process.arch,
    glibc: report?.header?.glibcVersionRuntime,
    isPermitting: permission !== undefined,
    isElectron: process.versions["electron"] !== undefined,
  };
}

function isPackage(root: string): boolean {
  try {
    return JSON.parse(readFileSync(join(root, "package.json"), "utf8")).name === "tidelog";
  } catch {
    return false;
  }
}

function foldersOf(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
}
