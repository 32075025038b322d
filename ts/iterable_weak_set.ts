// A set that does not keep what is in it: an object that nothing else refers to goes, and its entry with it.

/** Objects that can be gone through, each for as long as somebody else holds it. */
export class IterableWeakSet<T extends WeakKey> {
  readonly #refs = new Set<WeakRef<T>>();
  readonly #refOf = new WeakMap<T, WeakRef<T>>();
  readonly #registry = new FinalizationRegistry<WeakRef<T>>((ref) => this.#refs.delete(ref));

  /** Takes it in. */
  add(value: T): void {
    if (this.#refOf.has(value)) return;
    const ref = new WeakRef(value);
    this.#refs.add(ref);
    this.#refOf.set(value, ref);
    this.#registry.register(value, ref, ref);
  }

  /** Takes it out. */
  delete(value: T): void {
    const ref = this.#refOf.get(value);
    if (ref === undefined) return;
    this.#refs.delete(ref);
    this.#refOf.delete(value);
    this.#registry.unregister(ref);
  }

  /** Those that are still there. */
  *[Symbol.iterator](): Generator<T> {
    for (const ref of this.#refs) {
      const value = ref.deref();
      if (value !== undefined) yield value;
    }
  }
}
