from django.apps import AppConfig


class BooksConfig(AppConfig):
    name = "connections.books"
    label = "books"
    verbose_name = "Koppel Books"
