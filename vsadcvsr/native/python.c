#include "python.h"

#include <stdio.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

typedef struct Object Object; /* a PyObject */

static struct {
    int (*is_initialized)(void);
    int (*lock)(void);
    void (*unlock)(int);
    Object *(*import)(const char *);
    Object *(*attribute)(Object *, const char *);
    Object *(*call)(Object *, Object *);
    Object *(*raised)(void);
    Object *(*text)(Object *);
    const char *(*utf8)(Object *, ptrdiff_t *);
    void (*clear)(void);
    void (*release)(Object *);
} python;

static const struct {
    void *slot;
    const char *name;
} symbols[] = {
    {&python.is_initialized, "Py_IsInitialized"},
    {&python.lock, "PyGILState_Ensure"},
    {&python.unlock, "PyGILState_Release"},
    {&python.import, "PyImport_ImportModule"},
    {&python.attribute, "PyObject_GetAttrString"},
    {&python.call, "PyObject_CallObject"},
    {&python.raised, "PyErr_GetRaisedException"},
    {&python.text, "PyObject_Str"},
    {&python.utf8, "PyUnicode_AsUTF8AndSize"},
    {&python.clear, "PyErr_Clear"},
    {&python.release, "Py_DecRef"},
};

static void *find(const char *name) {
#ifdef _WIN32
    HMODULE library = GetModuleHandleA("python3.dll"); /* forwards to the python312.dll, python313.dll, … in use */
    return library ? (void *)(size_t)GetProcAddress(library, name) : NULL;
#else
    return dlsym(RTLD_DEFAULT, name);
#endif
}

/* Looked up anew each time: it takes microseconds, and needs no lock among threads that store the same values. */
static int python_found(void) {
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *address = find(symbols[i].name);
        if (!address)
            return 0;
        memcpy(symbols[i].slot, &address, sizeof address);
    }
    return python.is_initialized();
}

static void explain(const char *what, char *why, size_t size) {
    Object *error = python.raised();
    Object *text = error ? python.text(error) : NULL;
    const char *words = text ? python.utf8(text, NULL) : NULL;
    snprintf(why, size, "%s: %s", what, words ? words : "unknown Python error");
    for (char *c = why; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    python.clear();
    if (text)
        python.release(text);
    if (error)
        python.release(error);
}

int python_call(const char *module, const char *function, char *why, size_t size) {
    if (!python_found()) {
        snprintf(why, size, "no Python 3.12 or later runs in this program; load the script through VSScript or Python");
        return 0;
    }
    int held = python.lock();
    Object *package = python.import(module);
    Object *callee = package ? python.attribute(package, function) : NULL;
    Object *result = callee ? python.call(callee, NULL) : NULL;
    if (!result)
        explain(package ? "the vsadcvsr package failed" : "the vsadcvsr package cannot be imported", why, size);
    if (result)
        python.release(result);
    if (callee)
        python.release(callee);
    if (package)
        python.release(package);
    python.unlock(held);
    return result != NULL;
}
