/** Where a writer keeps what it has not sent yet, so that it survives a restart of the application. */

/**
 * A place for named texts. `set` resolves when the text survives a crash. Implement it over anything: a folder
 * ({@link openFolderStorage}), IndexedDB, a phone's preferences.
 */
export interface WriterStorage {
  /** All keys that have a text, in no order. */
  keys(): Promise<string[]>
  get(key: string): Promise<string | undefined>
  set(key: string, text: string): Promise<void>
  /** A missing key is fine. */
  remove(key: string): Promise<void>
}
