"""A plugin for pytest that has Django use PyMySQL, for runs on MariaDB."""

import pymysql  # type: ignore[import-untyped]

pymysql.install_as_MySQLdb()
