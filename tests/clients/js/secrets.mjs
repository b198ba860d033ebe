/** Secret storage as its owner's memory of the key: what has been written down can be typed in again. */

export class WrittenKey {
    #key = null;

    /** To be typed in when the client asks for the key. */
    set(key) {
        this.#key = key;
    }

    /** For the library's createClient. */
    get cryptoCallbacks() {
        return {
            getSecretStorageKey: async ({ keys }) => (this.#key === null ? null : [Object.keys(keys)[0], this.#key]),
            cacheSecretStorageKey: (_id, _info, key) => this.set(key),
        };
    }
}
