/** An object that does some things in its own way, and all else as the one behind it. */
export function proxied<T extends object>(target: T, own: Partial<T>): T {
  return new Proxy(target, {
    get(of, name) {
      const found = Reflect.get(own, name) ?? Reflect.get(of, name)
      return typeof found === 'function' ? found.bind(of) : found
    },
  })
}
